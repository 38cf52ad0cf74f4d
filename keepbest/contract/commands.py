"""Defines commands to a living run: a user requests one, the trainer acknowledges it and then carries it out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from keepbest.contract.base import Answer, Id, Json, Moment, Shape, Step
from keepbest.contract.overrides import Overrides
from keepbest.status import CommandKind, CommandState, StopReason


class StopRequest(Shape):
    """Stop after the present batch, restore the best, measure the test set, and finish."""

    kind: Literal["stop"] = "stop"


class RuleStop(StopRequest):
    """A stop that a rule of the project requests; only the tracker makes it."""

    reason: StopReason
    message: str


class CancelRequest(Shape):
    """End the run at once, without another measurement."""

    kind: Literal["cancel"] = "cancel"


class PauseRequest(Shape):
    """Write the state of this very step, give the worker's place free, and wait until somebody resumes the run."""

    kind: Literal["pause"] = "pause"


class CheckpointRequest(Shape):
    """Write a checkpoint of the present step."""

    kind: Literal["checkpoint"] = "checkpoint"


class RollBackRequest(Overrides):
    """Go back to the best validation, to a step or to a checkpoint, and go on from there with the overrides."""

    kind: Literal["roll_back"] = "roll_back"
    to: Literal["best"] | None = None
    step: Step | None = None
    checkpoint: Id | None = None


CommandRequest = Annotated[
    StopRequest | CancelRequest | PauseRequest | CheckpointRequest | RollBackRequest, Field(discriminator="kind")
]


class Command(Answer):
    id: Id
    run: Id
    kind: CommandKind
    arguments: dict[str, Json] = Field(default_factory=dict)
    state: CommandState
    requested_by: str
    requested_at: Moment
    acknowledged_at: Moment | None = None
    done_at: Moment | None = None
    message: str = ""
    result: Json = None

    @property
    def stop_reason(self) -> StopReason:
        """The stop reason of a run that this command ends: that of a rule of the project, else `user`."""
        return StopReason(self.arguments.get("reason") or StopReason.USER)

    @property
    def why(self) -> str:
        """Why the command was sent: the message of a rule of the project, else who asked for it."""
        return str(self.arguments.get("message") or f"{self.requested_by} asked for it")


class CommandList(Answer):
    commands: list[Command]
