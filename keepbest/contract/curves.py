"""Defines the answer with curves of many runs and metrics, as columns of numbers over one x axis."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from keepbest.contract.base import Answer, Id, Shape, Step
from keepbest.contract.names import MetricKey
from keepbest.contract.validations import MetricSummary

MAX_RUNS = 500
MAX_KEYS = 50
#: The most curves of one request: 20 runs with 50 metrics each, or 500 runs with two.
MAX_CURVES = 1000
#: The most points of one answer.
MAX_POINTS = 1_000_000
#: The beginning of an x axis that is a metric: `metrics.learning_rate`.
METRIC_AXIS = "metrics."

Axis = Annotated[str, Field(max_length=220, pattern=r"^(step|epoch|relative|wall|metrics\..+)$")]


class CurvesRequest(Shape):
    """Asks for curves of runs and metrics from step `from` to step `to`, both included.

    A page that follows living runs names in `after` the last step of each curve that it has, and gets the newer points:
    `{"9k2m4q7w1r5t": {"loss": 1200}}`. The answer has every other curve in full.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    runs: list[Id] = Field(min_length=1, max_length=MAX_RUNS)
    keys: list[MetricKey] = Field(min_length=1, max_length=MAX_KEYS)
    max_points: int = Field(
        default=1000, ge=2, le=MAX_POINTS, description="the most points of each curve; thinning keeps every peak"
    )
    first: Step | None = Field(default=None, alias="from")
    last: Step | None = Field(default=None, alias="to")
    x: Axis = Field(
        default="step", description="step, epoch, relative (seconds since the start), wall (Unix time), metrics.<name>"
    )
    ghosts: bool = Field(default=False, description="whether the answer has abandoned branches too")
    precision: Literal["double", "single"] = Field(
        default="double", description="single: values of 32 bits, half the bytes; enough for a chart"
    )
    after: dict[Id, dict[MetricKey, Step]] = Field(default_factory=dict, max_length=MAX_RUNS)
    summaries: bool = Field(
        default=False, description="whether the answer has the summaries of all metrics of these runs too"
    )

    @model_validator(mode="after")
    def _check_size(self) -> CurvesRequest:
        curves = len(set(self.runs)) * len(set(self.keys))
        if curves > MAX_CURVES:
            raise ValueError(f"one request asks for at most {MAX_CURVES} curves (runs times keys), not for {curves}")
        if curves * self.max_points > MAX_POINTS:
            most = MAX_POINTS // curves
            raise ValueError(f"an answer has at most {MAX_POINTS} points: max_points is at most {most} here")
        return self


class AbandonedBranch(Answer):
    """An abandoned branch of a curve, in segment `segment`."""

    segment: int
    steps: list[Step]
    x: list[float] | None = None
    values: list[float]


class RunCurve(Answer):
    """One metric of one run, as columns of equal length in the order of steps.

    `total` counts the points before thinning, of the requested steps and branches. `x` is null if the axis is the step,
    unless the curve is counted.
    """

    run: Id
    key: str
    total: int
    steps: list[Step]
    x: list[float] | None = None
    values: list[float]
    ghosts: list[AbandonedBranch] = Field(default_factory=list)
    is_counted: bool = Field(
        default=False, description="whether all points have one step, so that over the step `x` is their count"
    )


class CurveError(Answer):
    """Why the answer lacks the curves of a run."""

    run: Id
    message: str


class RunSummaries(Answer):
    run: Id
    metrics: list[MetricSummary]


class Curves(Answer):
    """The curves in the order of the request's runs and keys, without metrics that a run lacks."""

    x: str
    curves: list[RunCurve]
    errors: list[CurveError] = Field(default_factory=list)
    summaries: list[RunSummaries] = Field(default_factory=list)
