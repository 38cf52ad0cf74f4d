"""Defines the states of runs and commands, the stop reasons, the roles, and the allowed changes of a run's state.

A run's state says *what* it is; its stop reason says *why* it ended. An early stop is a success.
"""

from __future__ import annotations

from enum import StrEnum


class RunState(StrEnum):
    QUEUED = "queued"
    LEASED = "leased"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in {RunState.FINISHED, RunState.FAILED, RunState.CANCELLED}

    @property
    def is_held(self) -> bool:
        """Whether a worker holds a lease on a run in this state."""
        return self in {RunState.LEASED, RunState.RUNNING}


class StopReason(StrEnum):
    PATIENCE = "patience"
    STOPPING_THRESHOLD = "stopping_threshold"
    DIVERGENCE_THRESHOLD = "divergence_threshold"
    NON_FINITE = "non_finite"
    UNRECOVERABLE = "unrecoverable"
    MAX_STEPS = "max_steps"
    MAX_SECONDS = "max_seconds"
    GENERALIZATION_LOSS = "generalization_loss"
    PROGRESS_QUOTIENT = "progress_quotient"
    UPCROSSING = "upcrossing"
    PEERS = "peers"
    SUCCESSIVE_HALVING = "successive_halving"
    USER = "user"
    ERROR = "error"
    WORKER_LOST = "worker_lost"
    STALLED = "stalled"

    @property
    def is_by_stopper(self) -> bool:
        """Whether the run's stopper ended the run, and neither a person, the last step, its sweep nor a failure."""
        failures = {StopReason.ERROR, StopReason.WORKER_LOST, StopReason.STALLED}
        return self not in failures | {StopReason.USER, StopReason.MAX_STEPS, StopReason.SUCCESSIVE_HALVING}


class CommandKind(StrEnum):
    STOP = "stop"
    ROLL_BACK = "roll_back"
    CHECKPOINT = "checkpoint"
    CANCEL = "cancel"
    PAUSE = "pause"


class CommandState(StrEnum):
    REQUESTED = "requested"
    ACKNOWLEDGED = "acknowledged"
    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"

    @property
    def is_open(self) -> bool:
        return self in {CommandState.REQUESTED, CommandState.ACKNOWLEDGED}


class Role(StrEnum):
    VIEWER = "viewer"
    MEMBER = "member"
    WORKER = "worker"
    ADMIN = "admin"


#: The states that a run may go to from each state. `tracker.store.runs.move_run` alone changes a state.
TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    # FINISHED: somebody cancelled a resume before a worker claimed the run.
    RunState.QUEUED: frozenset({RunState.LEASED, RunState.CANCELLED, RunState.FAILED, RunState.FINISHED}),
    RunState.LEASED: frozenset(
        {
            RunState.RUNNING,
            RunState.PAUSED,
            RunState.QUEUED,
            RunState.FINISHED,
            RunState.FAILED,
            RunState.CANCELLED,
        }
    ),
    RunState.RUNNING: frozenset(
        {RunState.PAUSED, RunState.QUEUED, RunState.FINISHED, RunState.FAILED, RunState.CANCELLED}
    ),
    # A paused run waits for a person, or at a rung: its sweep promotes it, somebody cancels it, or both finish.
    RunState.PAUSED: frozenset({RunState.QUEUED, RunState.FINISHED, RunState.CANCELLED}),
    # Somebody resumed an ended run. Only `tracker.store.resumes` makes this change.
    RunState.FINISHED: frozenset({RunState.QUEUED}),
    RunState.FAILED: frozenset({RunState.QUEUED}),
    RunState.CANCELLED: frozenset({RunState.QUEUED}),
}


def may_move(origin: RunState, target: RunState) -> bool:
    """Whether a run in state `origin` may go to `target`."""
    return target in TRANSITIONS[origin]
