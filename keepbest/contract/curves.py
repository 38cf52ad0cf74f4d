"""Curves of many runs and metrics in one answer, as columns of numbers over one x axis."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from keepbest.contract.base import Answer, Id, Shape, Step
from keepbest.contract.names import MetricKey
from keepbest.contract.validations import MetricSummary

MAX_RUNS = 500
MAX_KEYS = 50
#: Curves of one request: 20 runs of 50 metrics, or 500 runs of one or two.
MAX_CURVES = 1000
#: Points of one answer.
MAX_POINTS = 1_000_000
#: How an x axis names a metric: `metrics.learning_rate`.
METRIC_AXIS = "metrics."

Axis = Annotated[str, Field(max_length=220, pattern=r"^(step|epoch|relative|wall|metrics\..+)$")]


class CurvesRequest(Shape):
    """Runs and metrics; `from` and `to` are steps, both inclusive.

    A page that follows living runs says in `after` up to which step it has a curve, and gets what came since:
    `{"9k2m4q7w1r5t": {"loss": 1200}}`. What is not named there is answered whole.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    runs: list[Id] = Field(min_length=1, max_length=MAX_RUNS)
    keys: list[MetricKey] = Field(min_length=1, max_length=MAX_KEYS)
    max_points: int = Field(default=1000, ge=2, le=MAX_POINTS, description="of each curve, thinned without a lost peak")
    first: Step | None = Field(default=None, alias="from")
    last: Step | None = Field(default=None, alias="to")
    x: Axis = Field(
        default="step", description="step, epoch, relative (seconds since the start), wall (Unix time), metrics.<name>"
    )
    ghosts: bool = Field(default=False, description="abandoned branches too")
    precision: Literal["double", "single"] = Field(
        default="double", description="single: values of 32 bits, half the bytes; enough for a chart"
    )
    after: dict[Id, dict[MetricKey, Step]] = Field(default_factory=dict, max_length=MAX_RUNS)
    summaries: bool = Field(default=False, description="what is known of every metric of these runs, too")

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
    """An abandoned branch of a curve; it left the curve in `segment`."""

    segment: int
    steps: list[Step]
    x: list[float] | None = None
    values: list[float]


class RunCurve(Answer):
    """One metric of one run, in order of step: columns of equal length. `total` counts the points stored.

    `x` is null where the axis is the step.
    """

    run: Id
    key: str
    total: int
    steps: list[Step]
    x: list[float] | None = None
    values: list[float]
    ghosts: list[AbandonedBranch] = Field(default_factory=list)


class CurveError(Answer):
    """Why curves of a run are missing; the other runs' are there."""

    run: Id
    message: str


class RunSummaries(Answer):
    run: Id
    metrics: list[MetricSummary]


class Curves(Answer):
    """The curves that there are, by run and key in the order asked; a metric that a run has not is left out."""

    x: str
    curves: list[RunCurve]
    errors: list[CurveError] = Field(default_factory=list)
    summaries: list[RunSummaries] = Field(default_factory=list)
