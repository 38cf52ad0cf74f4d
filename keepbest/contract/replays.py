"""What other policies would have done with recorded runs; `keepbest.stopping.replay` and `comparison` work it out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from keepbest.contract.base import ID_LENGTH, Answer, Id, Shape, Step
from keepbest.contract.names import Name
from keepbest.contract.policies import PolicySpec, PolicyText
from keepbest.contract.runs import Mode
from keepbest.status import StopReason

MAX_RUNS = 200
MAX_POLICIES = 20

Reference = Annotated[str, Field(max_length=ID_LENGTH)]


class ReplayRequest(Shape):
    """Runs, or the newest of a project, and policies as one writes them: `patience(7) | max_seconds(3600)`.

    Without policies a ladder of patience is tried. `tolerate` is the loss of value that a recommended policy may have.
    """

    runs: list[Reference] = Field(default_factory=list, max_length=MAX_RUNS)
    project: Name | None = None
    stoppers: list[PolicyText] = Field(default_factory=list, max_length=MAX_POLICIES)
    tolerate: float = Field(default=0.0, ge=0, allow_inf_nan=False)


class ReplayedRun(Answer):
    id: Id
    project: str
    number: int
    name: str
    validations: int
    end_step: Step
    own_stop: Step | None = Field(
        default=None, description="where its policies in the shadow would have ended it: savings count from there"
    )
    best_step: Step | None = None
    best_value: float | None = None


class ReplayOutcome(Answer):
    """What one policy would have done with one run; where it would not have stopped, what it saves is not known."""

    status: Literal["stopped", "censored", "inconclusive"]
    message: str
    stop_step: Step | None = None
    reason: StopReason | None = None
    best_step: Step | None = None
    best_value: float | None = None
    steps_saved: int | None = None
    share_saved: float | None = None
    seconds_saved: float | None = None
    value_lost: float | None = None
    examples_lost: int | None = None
    standard_errors_lost: float | None = None
    regret: float | None = None
    has_checkpoint: bool | None = None
    nearest_checkpoint: Step | None = None


class ReplaySummary(Answer):
    """One policy over all runs: medians of what it saves, the 90th percentile of the value it loses.

    Both, and `kept_best`, are of the runs in which it stops; `censored` counts those that it would have gone on in.
    """

    runs: int
    stopped: int
    censored: int
    inconclusive: int
    kept_best: int
    steps_saved: float | None = None
    share_saved: float | None = None
    seconds_saved: float | None = None
    lost: float | None = None


class ReplayedPolicy(Answer):
    """One policy: its outcomes, one a run in the order of `Replay.runs`, and all of them together."""

    stopper: str
    policy: PolicySpec
    on_front: bool
    summary: ReplaySummary
    outcomes: list[ReplayOutcome]


class LeftOut(Answer):
    """A run that cannot be compared with the others."""

    id: Id
    name: str
    message: str


class Replay(Answer):
    """`recommended` is the place of a policy in `policies`, null where none is better than what there was."""

    monitor: str | None = None
    mode: Mode | None = None
    runs: list[ReplayedRun]
    policies: list[ReplayedPolicy]
    left_out: list[LeftOut] = Field(default_factory=list)
    recommended: int | None = None
    message: str
    held_out: ReplaySummary | None = None
