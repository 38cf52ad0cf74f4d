"""Sweeps: which parameters are tried, how the next ones are chosen, and what came of it."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from keepbest.contract.base import MAX_WHOLE, Answer, Id, Json, Moment, Page, Shape, Step, Value
from keepbest.contract.names import MAX_NAME, check_tag
from keepbest.contract.policies import SelectorSpec
from keepbest.contract.runs import Mode, RunFields
from keepbest.status import RunState, StopReason

#: Runs of one sweep, and what a grid may have at most.
MAX_RUNS = 10_000
#: Characters of all the values of one parameter.
MAX_CHOICES = 10_000
#: Runs of a sweep by random choice or TPE that says nothing of how many.
DEFAULT_RUNS = 20

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Choices(Shape):
    """One of these values."""

    kind: Literal["choices"] = "choices"
    values: list[Value] = Field(min_length=1, max_length=200)

    @field_validator("values")
    @classmethod
    def _check_values(cls, values: list[Json]) -> list[Json]:
        written = [json.dumps(value, sort_keys=True) for value in values]
        if sum(map(len, written)) > MAX_CHOICES:
            raise ValueError(f"the values have at most {MAX_CHOICES} characters together")
        if len(set(written)) < len(written):
            raise ValueError("a value is there twice")
        return values


class Uniform(Shape):
    """A number from `low` to `high`, each as likely."""

    kind: Literal["uniform"] = "uniform"
    low: Finite
    high: Finite

    @model_validator(mode="after")
    def _check_order(self) -> Uniform:
        if not self.low < self.high:
            raise ValueError("low is less than high")
        return self


class LogUniform(Shape):
    """A number from `low` to `high`, each order of magnitude as likely."""

    kind: Literal["log_uniform"] = "log_uniform"
    low: Annotated[Finite, Field(gt=0)]
    high: Finite

    @model_validator(mode="after")
    def _check_order(self) -> LogUniform:
        if not self.low < self.high:
            raise ValueError("low is less than high")
        return self


class IntRange(Shape):
    """A whole number from `low` to `high`, both among them, in steps; with `log` each order of magnitude as likely."""

    kind: Literal["int"] = "int"
    low: int = Field(ge=-(2**53), le=2**53)
    high: int = Field(ge=-(2**53), le=2**53)
    step: int = Field(default=1, ge=1, le=MAX_WHOLE)
    log: bool = False

    @model_validator(mode="after")
    def _check_order(self) -> IntRange:
        if not self.low < self.high:
            raise ValueError("low is less than high")
        if self.log and (self.low < 1 or self.step != 1):
            raise ValueError("with log, low is 1 or more and the step is 1")
        return self


ParameterName = Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(check_tag)]
Dimension = Annotated[Choices | Uniform | LogUniform | IntRange, Field(discriminator="kind")]
Space = Annotated[dict[ParameterName, Dimension], Field(min_length=1, max_length=50)]


class Search(StrEnum):
    """How the next parameters are chosen."""

    GRID = "grid"
    RANDOM = "random"
    TPE = "tpe"


class SweepState(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SweepRequest(Shape):
    """Runs that differ in some parameters only. `run` is what they have in common; `space` says what is tried.

    In the words of a command, `{name}` stands for the value of a parameter.
    """

    run: RunFields
    space: Space
    search: Search = Search.TPE
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="of the search; the runs have their own")
    runs: int | None = Field(
        default=None, ge=1, le=MAX_RUNS, description=f"how many in all: {DEFAULT_RUNS}, or the whole grid"
    )
    at_once: int = Field(
        default=1, ge=1, le=1000, description="runs queued or training at the same time; paused ones do not count"
    )


class Halving(Answer):
    """Where the runs pause: rung k, counted from 1, lies at step min_steps * factor^(k-1)."""

    min_steps: int
    factor: int = Field(description="one run of so many goes on from a rung")


class RungMark(Answer):
    """A rung at which a run paused: its step, and its best value up to there."""

    rung: int
    step: Step
    value: float | None = None
    promoted: bool = Field(description="whether it was let go on")


class SweepRung(Answer):
    """What became of the runs that came to a rung; those that ended by themselves count at each."""

    rung: int
    step: Step
    runs: int
    waiting: int
    promoted: int
    best_value: float | None = None


class SweepRun(Answer):
    """One try: the run, and the parameters that were chosen for it."""

    number: int
    run: Id
    name: str
    state: RunState
    stop_reason: StopReason | None = None
    parameters: dict[str, Json]
    step: Step | None = None
    best_value: float | None = None
    best_step: Step | None = None
    selected_value: float | None = Field(
        default=None, description="of the model that its selector chose at its end; null where nothing was selected"
    )
    selected_step: Step | None = Field(default=None, description="of an average: that of the best in it")
    validations: int = 0
    averages_tried: int = Field(
        default=0, description="by its selector; each is one more validation at the same examples"
    )
    rungs: list[RungMark] = Field(default_factory=list, description="at which it paused; in the list of runs only")

    @property
    def value(self) -> float | None:
        """What it is compared by: the value of what a restore gives, selected or else the best."""
        return self.best_value if self.selected_value is None else self.selected_value

    @property
    def value_step(self) -> int | None:
        return self.best_step if self.selected_value is None else self.selected_step

    @property
    def is_other(self) -> bool:
        """Whether another value was selected than its best."""
        return self.selected_value is not None and self.selected_value != self.best_value


class SweepCounts(Answer):
    """How many runs were made, and what became of them; a deleted run is only made."""

    made: int = 0
    queued: int = 0
    training: int = 0
    paused: int = 0
    finished: int = 0
    failed: int = 0
    cancelled: int = 0


class Sweep(Answer):
    """A sweep as lists show it. `runs` is how many it will have made when it ends."""

    id: Id
    project: str
    name: str
    state: SweepState
    message: str | None = Field(default=None, description="why no run could be made, or why it ended early")
    source: str = Field(description="the recipe, file or command")
    monitor: str
    mode: Mode
    space: Space
    search: Search
    seed: int
    runs: int
    at_once: int
    counts: SweepCounts
    halving: Halving | None = None
    selector: SelectorSpec | None = Field(default=None, description="null where each run ends with its best")
    best: SweepRun | None = Field(default=None, description="by the selected value where there is one, else the best")
    created_by: str
    created_at: Moment
    ended_at: Moment | None = None


class SweepPage(Page):
    sweeps: list[Sweep]


class SweepRuns(Answer):
    """Every run of a sweep in the order in which they were made; deleted ones are left out."""

    sweep: Sweep
    runs: list[SweepRun]
    rungs: list[SweepRung] = Field(default_factory=list, description="to which one came, the lowest first")


class Importance(Answer):
    name: str
    share: float | None = Field(
        description="of the importance of all parameters; from 0 to 1. Null: it changed too rarely to tell"
    )


class SweepImportance(Answer):
    """Which parameters made the difference (PED-ANOVA), the most important first; none while too few runs ended."""

    parameters: list[Importance]
    runs: int = Field(description="finished runs with a value, which it was worked out from")
    message: str | None = None


def count_grid(space: dict[str, Dimension]) -> int | None:
    """Return how many combinations there are; None where a parameter has endlessly many values."""
    sizes = [_count(dimension) for dimension in space.values()]
    return None if None in sizes else math.prod(size or 1 for size in sizes)


def _count(dimension: Dimension) -> int | None:
    if isinstance(dimension, Choices):
        return len(dimension.values)
    return (dimension.high - dimension.low) // dimension.step + 1 if isinstance(dimension, IntRange) else None
