"""Defines what the command asks a fresh process to restore, and the answer of that process."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from keepbest.contract.base import Answer, Id, Shape, Step
from keepbest.contract.runs import RunSpec

Format = Literal["keras", "weights", "tf", "savedmodel", "safetensors", "npz"]


class RestoreJob(Shape):
    """Asks a fresh process to restore a checkpoint of `store`.

    The task "write" writes the network into the folder `to`. The task "check" compares the network's predictions with
    the recorded ones; it reads the network from the file `path` if there is one. Otherwise the network comes from
    `into` (the user's own function), from the run's code (`by_code`), or from the description in the store.
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
    """The first predictions of a restored network for its checkpoint's examples, beside the recorded ones."""

    run: Id
    checkpoint: Id
    step: Step
    form: Format | None
    examples: int
    recorded: list[float]
    restored: list[float]
    difference: float | None = Field(
        description="the greatest difference; null if the shapes differ, or one of two values is not finite"
    )
    tolerance: float
    within: bool
