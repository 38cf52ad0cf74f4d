"""Workers: what they can do, and the leases they hold."""

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
    """A built-in model as a worker announces it: enough for the tracker to check a request without TensorFlow."""

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
    """Said at start and whenever something changed; the same id says it again."""

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
    """Ask for work; `run` names the one run that its own script wants to train."""

    worker: Id | None = None
    run: Id | None = None
    request: Id | None = Field(default=None, description="sent again with the same one, it gets the same lease")
    is_offline: bool = Field(default=False, description="its script keeps it offline: it is heard at each sync only")


class Lease(Answer):
    token: str = Field(repr=False)
    expires_at: Moment
    lease_seconds: float


class Assignment(Answer):
    """A run, the right to train it, and where to go on.

    `resume` is its newest durable checkpoint, or the one that a fork or a resume named; `overrides` what changes there.
    """

    run: Run
    lease: Lease
    attempt: int
    next_segment: int
    parent_segment: int | None = None
    resume: Checkpoint | None = None
    overrides: Overrides | None = None
    promotions: int | None = Field(
        default=None, description="the highest rung of its sweep that it was let go past; null: it pauses at none"
    )


class Renewal(Answer):
    expires_at: Moment
    commands: list[Command] = Field(default_factory=list)


class Release(Shape):
    """How a worker gives a run back; `handed_back` costs no attempt, `crashed` does. `paused`, it waits at `rung`."""

    outcome: Literal["finished", "failed", "handed_back", "crashed", "cancelled", "paused"]
    rung: int | None = Field(default=None, ge=1, le=100, description="of its sweep, where it pauses")
    stop_reason: StopReason | None = None
    stop_message: str | None = Field(default=None, max_length=2000)
    error: RunError | None = None
    test: TestResult | None = None
    selection: Selection | None = None

    @model_validator(mode="after")
    def _check_rung(self) -> Release:
        if (self.outcome == "paused") != (self.rung is not None):
            raise ValueError("a run that is paused, and no other, says at which rung")
        return self
