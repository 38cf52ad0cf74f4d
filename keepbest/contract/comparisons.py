"""Runs side by side: what each was asked, what each reached, and which parameters made the difference."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from keepbest.contract.base import Answer, Id, Shape, Step
from keepbest.contract.runs import Run
from keepbest.contract.sweeps import Dimension, SweepImportance

MAX_COMPARED = 20


class ComparisonRequest(Shape):
    """The runs to compare, in the order of the columns."""

    runs: Annotated[list[Id], Field(min_length=1, max_length=MAX_COMPARED)]


class MetricCell(Answer):
    """One metric of one run: the best in the metric's direction, and the last. `best` is the last where no direction
    is known."""

    best: float | None = None
    best_step: Step | None = None
    last: float
    last_step: Step


class ComparedMetric(Answer):
    """One metric: a cell a run, null where the run has no such metric. `mode` is null where no direction is known."""

    key: str
    mode: Literal["min", "max"] | None = None
    cells: list[MetricCell | None]


class RunComparison(Answer):
    """Runs with all that is known of them, in the order asked; `missing` names those that there are not.

    `space` has the parameters that differ, each with the range of its values; `importance` tells their shares.
    """

    runs: list[Run]
    missing: list[Id] = Field(default_factory=list)
    metrics: list[ComparedMetric]
    space: dict[str, Dimension]
    importance: SweepImportance
