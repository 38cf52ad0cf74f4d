"""Defines checkpoints as the tracker knows them. `keepbest.checkpoint.manifest` defines the manifest itself."""

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
    n: int | None = Field(default=None, description="how many examples the trainer measured the value on")
    is_best: bool = False
    is_selected: bool = Field(default=False, description="whether the run's selector chose it at the end of the run")
    is_pinned: bool = False
    aliases: list[str] = Field(default_factory=list, description="its names in its project, such as champion")
    ghost: bool = False
    state: CheckpointState
    digest: Digest
    size_bytes: int
    written_bytes: int
    location: str
    store: Id | None = Field(default=None, description="the id of the store that holds it")
    at: Moment

    @property
    def is_kept(self) -> bool:
        """Whether a pin or an alias keeps it, whatever retention says."""
        return self.is_pinned or bool(self.aliases)


class CheckpointList(Answer):
    checkpoints: list[Checkpoint]


class CheckpointPatch(Shape):
    is_pinned: bool


class Variable(Answer):
    """One variable of a checkpoint. The figures describe its finite values in float64; null if it has none."""

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
    """Names a variable as on the command line, and a slice of its values as in NumPy: "0:3,:"."""

    variable: str = Field(min_length=1, max_length=2000)
    slice: str = Field(default="", max_length=200)


class VariableValues(Answer):
    """A slice of a variable, with the figures and the histogram of the whole variable.

    Of a large slice the tracker sends a part: `values` holds, row by row, the first `part[n]` values along each axis n.
    """

    checkpoint: Id
    step: Step
    variable: Variable
    slice: str
    shape: list[int] = Field(description="the shape of the slice")
    part: list[int] = Field(description="the shape of `values`")
    values: list[float] = Field(description="in float64; complex values by their absolute value")
    histogram: Histogram


class VariableDifference(Answer):
    """How a variable of one checkpoint differs from the variable at the same place in another checkpoint."""

    collection: Literal["model", "optimizer", "asset", "own", "measured"]
    path: str
    kind: Literal["equal", "differs", "shape", "dtype", "missing", "new"]
    norm: float | None = Field(default=None, description="norm of the difference; null if a value is not finite")
    relative: float | None = Field(default=None, description="that norm divided by the norm of the first variable")
    changed: int | None = Field(default=None, description="how many elements differ")


class CheckpointDiff(Answer):
    first: Id
    second: Id
    equal: bool = Field(description="whether all values are equal to the last bit; names may differ")
    variables: list[VariableDifference]


class CollectRequest(Shape):
    dry_run: bool = Field(default=False, description="report what the collection would remove, and remove nothing")


class CollectedCheckpoint(Answer):
    run: Id
    checkpoint: Id


class Collection(Answer):
    """What the garbage collector did in the tracker's store or, in a dry run, would do."""

    dry_run: bool
    trashed: list[CollectedCheckpoint] = Field(
        description="moved to the trash now; pinning a checkpoint brings it back"
    )
    emptied: list[CollectedCheckpoint] = Field(description="removed from the trash for good")
    trashed_artifacts: int = Field(default=0, description="how many artifacts went to the trash")
    emptied_artifacts: int = Field(default=0, description="how many artifacts left the trash for good")
    orphans: int = Field(description="how many files were removed because no checkpoint and no artifact needs them")
    freed_bytes: int
    waiting_bytes: int = Field(description="bytes that emptying the trash will free")
    damaged: list[str] = Field(
        description="unreadable manifests; as long as there is one, the collector removes no pack"
    )
    busy: bool = Field(description="whether writers kept the store busy; the next collection then removes the packs")


class Receipt(Answer):
    """Proof of a restore: the value that the validation recorded, the restored model's value, and their difference."""

    run: Id
    checkpoint: Id
    step: Step
    monitor: str
    recorded: float
    restored: float
    difference: float
    n: Count | None = None
    equal: bool = Field(description="whether the two values are equal to the last bit")


class ReceiptList(Answer):
    receipts: list[Receipt]
