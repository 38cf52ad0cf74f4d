"""What a fresh process is asked to restore, and what it answers: between the command and its own child."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from keepbest.contract.base import Answer, Id, Shape, Step
from keepbest.contract.runs import RunSpec

Format = Literal["keras", "weights", "tf", "savedmodel", "safetensors", "npz"]


class RestoreJob(Shape):
    """A checkpoint that lies in `store`, and what becomes of it.

    "write" puts it into the folder `to`; "check" compares what the network gives with what was recorded, of the file at
    `path` where there is one. The network comes from `into` (the user's own function), from the run's code (`by_code`),
    else from the description in the store.
    """

    task: Literal["write", "check"]
    store: str
    run: Id
    checkpoint: Id
    form: Format = "keras"
    to: str | None = None
    path: str | None = None
    into: str | None = None
    settings: list[str] = Field(default_factory=list)
    maps: list[str] = Field(default_factory=list)
    partial: bool = False
    spec: RunSpec | None = None
    by_code: bool = False
    allow_code: bool = False
    tolerance: float | None = Field(default=None, ge=0)


class CheckResult(Answer):
    """What a restored network gave for the examples of its checkpoint (its first numbers), and how far off it is."""

    run: Id
    checkpoint: Id
    step: Step
    form: Format | None
    examples: int
    recorded: list[float]
    restored: list[float]
    difference: float | None = Field(description="the greatest; null: another shape, or not finite where that was")
    tolerance: float
    within: bool
