"""Commands to a living run: requested -> acknowledged by the trainer -> done, each with its time."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from keepbest.contract.base import Answer, Id, Json, Moment, Shape, Step
from keepbest.status import CommandKind, CommandState


class StopRequest(Shape):
    """Stop after the current batch, come back to the best, measure the test set, finish."""

    kind: Literal["stop"] = "stop"


class CancelRequest(Shape):
    """End the run at once; nothing more is measured."""

    kind: Literal["cancel"] = "cancel"


class CheckpointRequest(Shape):
    """Write a checkpoint of this very step."""

    kind: Literal["checkpoint"] = "checkpoint"


class RollBackRequest(Shape):
    """Go back to the best look, to a step, or to a checkpoint, and go on from there."""

    kind: Literal["roll_back"] = "roll_back"
    to: Literal["best"] | None = None
    step: Step | None = None
    checkpoint: Id | None = None
    reset_patience: bool = False


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


class CommandList(Answer):
    commands: list[Command]
