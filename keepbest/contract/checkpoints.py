"""Checkpoints as the tracker knows them; the manifest itself is `keepbest.checkpoint.manifest`."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from keepbest.contract.base import Answer, Digest, Id, Moment, Shape, Step


class CheckpointState(StrEnum):
    DURABLE = "durable"
    DROPPED = "dropped"


class Checkpoint(Answer):
    id: Id
    run: Id
    segment: int
    step: Step
    kind: Literal["best", "last", "manual"]
    value: float | None = None
    is_best: bool = False
    is_pinned: bool = False
    ghost: bool = False
    state: CheckpointState
    digest: Digest
    size_bytes: int
    written_bytes: int
    location: str
    at: Moment


class CheckpointList(Answer):
    checkpoints: list[Checkpoint]


class CheckpointPatch(Shape):
    is_pinned: bool


class Receipt(Answer):
    """Proof of a restore: the value recorded at the look, the value measured after restoring, their difference."""

    run: Id
    checkpoint: Id
    step: Step
    monitor: str
    recorded: float
    restored: float
    difference: float
    n: int | None = None
    equal: bool = Field(description="to the last bit")


class ReceiptList(Answer):
    receipts: list[Receipt]
