"""Checkpoints as the tracker knows them; the manifest itself is `keepbest.checkpoint.manifest`."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from keepbest.contract.base import Answer, CheckpointKind, Count, Digest, Id, Moment, Shape, Step
from keepbest.contract.panels import Histogram


class CheckpointState(StrEnum):
    DURABLE = "durable"
    DROPPED = "dropped"


class Checkpoint(Answer):
    id: Id
    run: Id
    segment: int
    step: Step
    kind: CheckpointKind
    value: float | None = None
    n: int | None = Field(default=None, description="examples that the value was measured on")
    is_best: bool = False
    is_selected: bool = Field(default=False, description="what the run's selector chose at its end")
    is_pinned: bool = False
    ghost: bool = False
    state: CheckpointState
    digest: Digest
    size_bytes: int
    written_bytes: int
    location: str
    store: Id | None = Field(default=None, description="the id of the store that it was written to")
    at: Moment


class CheckpointList(Answer):
    checkpoints: list[Checkpoint]


class CheckpointPatch(Shape):
    is_pinned: bool


class Variable(Answer):
    """One variable of a checkpoint. The figures are of its finite values, in float64; null where there are none."""

    collection: Literal["model", "optimizer", "asset", "own", "measured"]
    index: int
    path: str
    shape: list[int]
    dtype: str
    digest: Digest
    size_bytes: int
    non_finite: int = 0
    mean: float | None = None
    std: float | None = None
    min: float | None = None
    max: float | None = None
    norm: float | None = Field(default=None, description="the root of the sum of squares")


class VariableList(Answer):
    run: Id
    checkpoint: Id
    step: Step
    variables: list[Variable]


class ValuesQuery(Shape):
    """Which variable, named as on the command line, and which of its values, as NumPy counts: "0:3,:"."""

    variable: str = Field(min_length=1, max_length=2000)
    slice: str = Field(default="", max_length=200)


class VariableValues(Answer):
    """A slice of a variable with the figures and the histogram of the whole.

    A large slice is not sent in full: `values` are, row by row, those of the first `part[n]` along each axis n.
    """

    checkpoint: Id
    step: Step
    variable: Variable
    slice: str
    shape: list[int] = Field(description="of the slice")
    part: list[int] = Field(description="the shape of what is in `values`")
    values: list[float] = Field(description="in float64; of complex ones their absolute value")
    histogram: Histogram


class VariableDifference(Answer):
    """How a variable of one checkpoint differs from the one in its place in another."""

    collection: Literal["model", "optimizer", "asset", "own", "measured"]
    path: str
    kind: Literal["equal", "differs", "shape", "dtype", "missing", "new"]
    norm: float | None = Field(default=None, description="norm of the difference; null where a value is not finite")
    relative: float | None = Field(default=None, description="that norm over the norm of the first")
    changed: int | None = Field(default=None, description="how many elements differ")


class CheckpointDiff(Answer):
    first: Id
    second: Id
    equal: bool = Field(description="to the last bit, names aside")
    variables: list[VariableDifference]


class CollectRequest(Shape):
    dry_run: bool = Field(default=False, description="say what would go, and do nothing")


class CollectedCheckpoint(Answer):
    run: Id
    checkpoint: Id


class Collection(Answer):
    """What the garbage collector did to the tracker's store; in a dry run, what it would do."""

    dry_run: bool
    trashed: list[CollectedCheckpoint] = Field(description="taken out now; pinning one brings it back")
    emptied: list[CollectedCheckpoint] = Field(description="gone from the trash for good")
    orphans: int = Field(description="packs and networks removed that no checkpoint needs")
    freed_bytes: int
    waiting_bytes: int = Field(description="free once the trash is emptied")
    damaged: list[str] = Field(description="manifests that cannot be read; while there is one no pack is removed")
    busy: bool = Field(description="somebody wrote all the while; packs are removed the next time")


class Receipt(Answer):
    """Proof of a restore: the value that the validation recorded, the value measured after it, their difference."""

    run: Id
    checkpoint: Id
    step: Step
    monitor: str
    recorded: float
    restored: float
    difference: float
    n: Count | None = None
    equal: bool = Field(description="to the last bit")


class ReceiptList(Answer):
    receipts: list[Receipt]
