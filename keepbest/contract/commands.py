"""Commands to a living run: requested -> acknowledged by the trainer -> done, each with its time."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from keepbest.contract.base import Answer, Id, Json, Moment, Shape, Step
from keepbest.contract.overrides import Overrides
from keepbest.status import CommandKind, CommandState, StopReason


class StopRequest(Shape):
    """Stop after the current batch, come back to the best, measure the test set, finish."""

    kind: Literal["stop"] = "stop"


class RuleStop(StopRequest):
    """The same, asked for by a rule of the project: only the tracker makes one."""

    reason: StopReason
    message: str


class CancelRequest(Shape):
    """End the run at once; nothing more is measured."""

    kind: Literal["cancel"] = "cancel"


class CheckpointRequest(Shape):
    """Write a checkpoint of this very step."""

    kind: Literal["checkpoint"] = "checkpoint"


class RollBackRequest(Overrides):
    """Go back to the best validation, to a step, or to a checkpoint, and go on from there, changed as it says."""

    kind: Literal["roll_back"] = "roll_back"
    to: Literal["best"] | None = None
    step: Step | None = None
    checkpoint: Id | None = None


CommandRequest = Annotated[
    StopRequest | CancelRequest | CheckpointRequest | RollBackRequest, Field(discriminator="kind")
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
        """What a stop that this asks for is called: a person's, unless a rule of the project gave its own reason."""
        return StopReason(self.arguments.get("reason") or StopReason.USER)

    @property
    def why(self) -> str:
        """Who asked for it, or what a rule of the project found."""
        return str(self.arguments.get("message") or f"{self.requested_by} asked for it")


class CommandList(Answer):
    commands: list[Command]
