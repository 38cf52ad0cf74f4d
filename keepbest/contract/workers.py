"""Defines workers, their recipes and their leases."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from keepbest.contract.base import MAX_WHOLE, Answer, Id, Moment, PlainName, Shape
from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.commands import Command
from keepbest.contract.overrides import Overrides
from keepbest.contract.policies import PolicySpec
from keepbest.contract.runs import Labels, Mode, Parameter, Run, RunError, TestResult
from keepbest.contract.selections import Selection
from keepbest.status import StopReason


class RecipeInfo(Shape):
    """A recipe as a worker announces it, so that the tracker can check a request without TensorFlow."""

    name: str = Field(max_length=100)
    summary: str = Field(max_length=500)
    parameters: list[Parameter] = Field(default_factory=list, max_length=100)
    data: list[str] = Field(default_factory=list, max_length=100)
    default_data: str | None = None
    metrics: dict[str, Mode] = Field(default_factory=dict, max_length=100)
    monitor: str
    stopper: PolicySpec
    max_steps: int = Field(ge=1, le=MAX_WHOLE)
    validate_every: int = Field(ge=1, le=2**31)


class RecipeList(Answer):
    recipes: list[RecipeInfo]


class WorkerRegistration(Shape):
    """Registers a worker when it starts and whenever something changes; `id` stays the same."""

    id: Id
    name: PlainName
    host: str = Field(max_length=255)
    pid: int = Field(ge=0, le=2**31 - 1)
    version: str = Field(max_length=50)
    slots: int = Field(ge=1, le=1000)
    labels: Labels = Field(default_factory=dict)
    recipes_only: bool = False
    recipes: list[RecipeInfo] = Field(default_factory=list, max_length=200)


class Worker(Answer):
    id: Id
    name: str
    host: str
    pid: int
    version: str
    slots: int
    busy: int
    labels: dict[str, str]
    recipes_only: bool
    recipes: list[str]
    started_at: Moment
    heard_at: Moment
    state: Literal["alive", "silent", "gone"]


class WorkerList(Answer):
    workers: list[Worker]


class Claim(Shape):
    """Asks for a run to train. A script names its own run in `run`."""

    worker: Id | None = None
    run: Id | None = None
    request: Id | None = Field(default=None, description="a repeated claim with the same id gets the same lease")
    is_offline: bool = Field(
        default=False, description="whether its script keeps the run offline, so that it reports only at each sync"
    )


class Lease(Answer):
    token: str = Field(repr=False)
    expires_at: Moment
    lease_seconds: float


class Assignment(Answer):
    """A run, its lease, and where to go on.

    `resume` is the run's newest durable checkpoint, or the one that a fork or a resume named; `overrides` apply there.
    """

    run: Run
    lease: Lease
    attempt: int
    next_segment: int
    parent_segment: int | None = None
    resume: Checkpoint | None = None
    overrides: Overrides | None = None
    promotions: int | None = Field(
        default=None, description="the highest rung of its sweep from which it went on; null if it pauses at none"
    )


class Renewal(Answer):
    expires_at: Moment
    commands: list[Command] = Field(default_factory=list)


class Release(Shape):
    """Ends a lease. `handed_back` costs no attempt, `crashed` does.

    A `paused` run waits at `rung` of its sweep, or without a rung for the person who paused it.
    """

    outcome: Literal["finished", "failed", "handed_back", "crashed", "cancelled", "paused"]
    rung: int | None = Field(default=None, ge=1, le=100, description="the rung of its sweep at which it pauses")
    stop_reason: StopReason | None = None
    stop_message: str | None = Field(default=None, max_length=2000)
    error: RunError | None = None
    test: TestResult | None = None
    selection: Selection | None = None

    @model_validator(mode="after")
    def _check_rung(self) -> Release:
        if self.rung is not None and self.outcome != "paused":
            raise ValueError("only a paused run has a rung")
        return self
