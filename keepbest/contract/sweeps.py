"""Defines sweeps: the space of parameters, the search, and the runs with their results."""

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

#: The most runs of one sweep, a grid among them.
MAX_RUNS = 10_000
#: The most characters of all the values of one parameter.
MAX_CHOICES = 10_000
#: How many runs a random or TPE sweep makes unless the request says otherwise.
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
            raise ValueError("a value occurs twice")
        return values


class Uniform(Shape):
    """A number from `low` to `high`; all are equally likely."""

    kind: Literal["uniform"] = "uniform"
    low: Finite
    high: Finite

    @model_validator(mode="after")
    def _check_order(self) -> Uniform:
        if not self.low < self.high:
            raise ValueError("low is less than high")
        return self


class LogUniform(Shape):
    """A number from `low` to `high`; all orders of magnitude are equally likely."""

    kind: Literal["log_uniform"] = "log_uniform"
    low: Annotated[Finite, Field(gt=0)]
    high: Finite

    @model_validator(mode="after")
    def _check_order(self) -> LogUniform:
        if not self.low < self.high:
            raise ValueError("low is less than high")
        return self


class IntRange(Shape):
    """A whole number from `low` to `high`, both included, in steps. With `log` all magnitudes are equally likely."""

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
            raise ValueError("with log, low must be 1 or more and the step 1")
        return self


ParameterName = Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(check_tag)]
Dimension = Annotated[Choices | Uniform | LogUniform | IntRange, Field(discriminator="kind")]
Space = Annotated[dict[ParameterName, Dimension], Field(min_length=1, max_length=50)]


class Search(StrEnum):
    """How a sweep chooses the next parameters."""

    GRID = "grid"
    RANDOM = "random"
    TPE = "tpe"


class SweepState(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SweepRequest(Shape):
    """Asks for runs that differ only in the parameters of `space`; `run` has their common fields.

    In a command, `{name}` stands for the value of a parameter.
    """

    run: RunFields
    space: Space
    search: Search = Search.TPE
    seed: int = Field(
        default=0, ge=0, le=2**31 - 1, description="the seed of the search; `run` has the seed of the runs"
    )
    runs: int | None = Field(
        default=None,
        ge=1,
        le=MAX_RUNS,
        description=f"how many runs in all; by default {DEFAULT_RUNS}, or the whole grid",
    )
    at_once: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="the most runs that are queued or train at the same time; paused runs do not count",
    )


class Halving(Answer):
    """The rungs at which runs pause: rung k, counted from 1, lies at step min_steps * factor^(k-1)."""

    min_steps: int
    factor: int = Field(description="one run in `factor` goes on from a rung")


class RungMark(Answer):
    """A rung at which a run paused, with the step and the run's best value up to there."""

    rung: int
    step: Step
    value: float | None = None
    promoted: bool = Field(description="whether the run went on from there")


class SweepRung(Answer):
    """The runs that reached a rung. A run that ended by itself counts at each rung."""

    rung: int
    step: Step
    runs: int
    waiting: int
    promoted: int
    best_value: float | None = None


class SweepRun(Answer):
    """One trial: the run, and the parameters that the search chose for it."""

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
        default=None, description="the value of the model that its selector chose at its end; null without a selection"
    )
    selected_step: Step | None = Field(default=None, description="an average has the step of the best checkpoint in it")
    validations: int = 0
    averages_tried: int = Field(
        default=0, description="how many averages its selector measured, each at one more validation"
    )
    rungs: list[RungMark] = Field(
        default_factory=list, description="the rungs at which it paused; only the list of runs has them"
    )

    @property
    def value(self) -> float | None:
        """The value that a sweep compares: that of the selected model, else the best."""
        return self.best_value if self.selected_value is None else self.selected_value

    @property
    def value_step(self) -> int | None:
        return self.best_step if self.selected_value is None else self.selected_step

    @property
    def is_other(self) -> bool:
        """Whether the selected value differs from the best."""
        return self.selected_value is not None and self.selected_value != self.best_value


class SweepCounts(Answer):
    """How many runs the sweep made, and how many of them are in each state. A deleted run counts only in `made`."""

    made: int = 0
    queued: int = 0
    training: int = 0
    paused: int = 0
    finished: int = 0
    failed: int = 0
    cancelled: int = 0


class Sweep(Answer):
    """A sweep. `runs` is how many runs it will have made when it ends."""

    id: Id
    project: str
    name: str
    state: SweepState
    message: str | None = Field(default=None, description="why the sweep could make no run, or ended early")
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
    selector: SelectorSpec | None = Field(default=None, description="null if each run ends with its best")
    best: SweepRun | None = Field(
        default=None, description="the best run by its selected value, else by its best value"
    )
    created_by: str
    created_at: Moment
    ended_at: Moment | None = None


class SweepPage(Page):
    sweeps: list[Sweep]


class SweepRuns(Answer):
    """The runs of a sweep in the order in which it made them, without deleted runs."""

    sweep: Sweep
    runs: list[SweepRun]
    rungs: list[SweepRung] = Field(default_factory=list, description="the rungs that a run reached, the lowest first")


class Importance(Answer):
    name: str
    share: float | None = Field(
        description="its share of the importance of all parameters, from 0 to 1; null if it changed too rarely to tell"
    )


class SweepImportance(Answer):
    """The importance of each parameter (PED-ANOVA), the greatest first; empty as long as too few runs have ended."""

    parameters: list[Importance]
    runs: int = Field(description="how many finished runs with a value the importance rests on")
    message: str | None = None


def count_grid(space: dict[str, Dimension]) -> int | None:
    """Return the number of combinations in the grid; None if a parameter has infinitely many values."""
    sizes = [_count(dimension) for dimension in space.values()]
    return None if None in sizes else math.prod(size or 1 for size in sizes)


def _count(dimension: Dimension) -> int | None:
    if isinstance(dimension, Choices):
        return len(dimension.values)
    return (dimension.high - dimension.low) // dimension.step + 1 if isinstance(dimension, IntRange) else None
