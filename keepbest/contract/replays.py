"""Defines a replay: what other policies would have done with recorded runs, by `keepbest.stopping.replay`."""

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
    """Asks what policies would have done with the named runs, or with the newest runs of a project.

    Without policies the tracker tries a ladder of patience. A recommended policy loses at most `tolerate` of the value.
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
        default=None, description="where its policies in the shadow would have ended it; savings count from there"
    )
    best_step: Step | None = None
    best_value: float | None = None


class ReplayOutcome(Answer):
    """What one policy would have done with one run. Its savings are unknown if it would not have stopped."""

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
    """One policy over all runs: the medians of its savings, and the 90th percentile of the value that it loses.

    These figures and `kept_best` concern the runs that the policy stops. `censored` counts the runs that it would have
    trained longer.
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
    """One policy with an outcome for each run, in the order of `Replay.runs`, and their summary."""

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
    """The outcome of a replay. `recommended` is a place in `policies`; null if no policy is worth recommending."""

    monitor: str | None = None
    mode: Mode | None = None
    runs: list[ReplayedRun]
    policies: list[ReplayedPolicy]
    left_out: list[LeftOut] = Field(default_factory=list)
    recommended: int | None = None
    message: str
    held_out: ReplaySummary | None = None
