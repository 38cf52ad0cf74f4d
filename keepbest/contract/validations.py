"""Defines what a run's history consists of: validations, metric summaries, curves and logs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from keepbest.contract.base import Answer, Id, Moment, Page, Step
from keepbest.contract.per_example import Examples
from keepbest.contract.policies import StopperDecision


class RecordedValidation(Answer):
    """One row of the decision log. `seq` orders the rows of a run; `ghost` marks a row of an abandoned branch.

    A row that `withdraws` measures nothing: it withdraws the best, which is the validation of its segment and step.
    """

    seq: int
    segment: int
    step: Step
    value: float | None = None
    n: int | None = None
    epoch: float | None = None
    seconds: float | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    decision: StopperDecision
    snapshot: Id | None = None
    checkpoint: Id | None = None
    note: str | None = None
    ghost: bool = False
    withdraws: bool = Field(
        default=False, description="whether the row withdraws the validation of its segment and step; `note` says why"
    )
    is_withdrawn: bool = Field(
        default=False, description="whether a later row withdraws it, so that it is never the best"
    )
    examples: Examples | None = Field(
        default=None, description="if the request asks for them and the run recorded them"
    )
    at: Moment


class ValidationPage(Page):
    validations: list[RecordedValidation]


class MetricSummary(Answer):
    """The counts and extremes of a metric, which the tracker keeps beside its points."""

    key: str
    count: int
    non_finite: int
    first_step: Step
    last_step: Step
    last_value: float
    min_value: float | None = None
    min_step: Step | None = None
    max_value: float | None = None
    max_step: Step | None = None


class MetricList(Answer):
    metrics: list[MetricSummary]


class CurvePiece(Answer):
    """The points of one segment in the order of steps. `ghost` says that they lie on an abandoned branch."""

    segment: int
    ghost: bool
    steps: list[int]
    values: list[float]
    times: list[float]


class Curve(Answer):
    """One metric of one run. Thinning keeps the extremes of each bucket; `total` counts the points before thinning."""

    key: str
    total: int
    returned: int
    pieces: list[CurvePiece]
    is_counted: bool = Field(
        default=False, description="whether all points have one step, so that a chart is drawn over their count"
    )


class LogPiece(Answer):
    seq: int
    attempt: int
    stream: Literal["stdout", "stderr", "keepbest"]
    text: str
    at: Moment


class LogPage(Page):
    pieces: list[LogPiece]
