"""The manifest: everything about a checkpoint but the numbers themselves.

On disk it is `{"digest":"<64 hex>","manifest":{…}}`, where the digest is blake3 of the bytes of the inner object as
they stand in the file, so that checking it needs no canonical form. Nothing read here is trusted: ids and digests
must look like ids and digests, and every path is made from them, never taken from the file.
"""

from __future__ import annotations

import re
from math import prod
from typing import Annotated, Any, Literal

from blake3 import blake3
from pydantic import Field, ValidationError, field_validator, model_validator

from keepbest.checkpoint.files.dtypes import size_of
from keepbest.checkpoint.inputs import MAX_PARTS, Inputs
from keepbest.checkpoint.upgrade import with_present_names
from keepbest.contract.base import CheckpointKind, Digest, Id, Moment, Shape, Step
from keepbest.errors import CheckpointDamaged
from keepbest.snapshots.missing import Missing
from keepbest.snapshots.state import COLLECTIONS, Collection, Position, VariableSpec

#: 2 has what lies beside the variables; what has nothing of the kind is written as 1, which older versions read.
FORMAT = 2
#: A manifest of 100,000 variables; a longer file is not one of ours.
MAX_MANIFEST_BYTES = 64 * 2**20

_HEAD, _MIDDLE, _TAIL = b'{"digest":"', b'","manifest":', b"}"
_BODY_AT = len(_HEAD) + 64 + len(_MIDDLE)
_DIGEST = re.compile(rb'"([0-9a-f]{64})"')

Size = Annotated[int, Field(ge=0, lt=2**63)]


class StoredVariable(Shape):
    """One variable: what it is, the digest of its value, and the object that holds it."""

    collection: Collection
    index: int = Field(ge=0)
    path: str = Field(max_length=2000)
    shape: tuple[Size, ...] = Field(max_length=32)
    dtype: str = Field(max_length=32)
    digest: Digest
    object: Digest

    @property
    def spec(self) -> VariableSpec:
        return VariableSpec(self.collection, self.index, self.path, self.shape, self.dtype)

    @property
    def size_bytes(self) -> int:
        return prod(self.shape) * size_of(self.dtype)


class MissingPart(Shape):
    """A part of the state that was not captured."""

    layer: str = Field(max_length=300)
    attribute: str = Field(max_length=300)
    type: str = Field(max_length=300)
    advice: str = Field(max_length=1000)


class Manifest(Shape):
    """A checkpoint. `id` is the id of the snapshot it was written from; `network` is Keras' JSON of the model,
    and `inputs` what it is called with, where that is known. `examples` are a few of those, and what it gave for them.

    `n` examples gave its value. An average says which checkpoints it was `made_of`, the best first. Where a running
    average of the weights was measured, `averages` says for which place in `variables` it lies at which other one: who
    uses the checkpoint takes the average, who goes on takes the variable itself. `incomplete` is what could not be
    captured.
    """

    format: Literal[1, 2] = 1
    id: Id
    run: Id
    segment: int = Field(default=0, ge=0)
    kind: CheckpointKind
    step: Step
    epoch: int = Field(default=0, ge=0)
    batch: int = Field(default=0, ge=0)
    value: float | None = None
    n: int | None = Field(default=None, ge=0)
    monitor: str | None = Field(default=None, max_length=200)
    mode: Literal["min", "max"] | None = None
    stopper: dict[str, Any] = Field(default_factory=dict)
    random: dict[str, Any] = Field(default_factory=dict)
    callbacks: dict[str, Any] = Field(default_factory=dict)
    environment: dict[str, Any] = Field(default_factory=dict)
    network: Digest | None = None
    inputs: Inputs | None = None
    made_of: tuple[Id, ...] = Field(default=(), max_length=100)
    averages: dict[int, int] = Field(default_factory=dict)
    incomplete: tuple[MissingPart, ...] = Field(default=(), max_length=1000)
    at: Moment
    variables: tuple[StoredVariable, ...]
    examples: tuple[StoredVariable, ...] = Field(default=(), max_length=MAX_PARTS)

    @field_validator("stopper", mode="before")
    @classmethod
    def _name_as_now(cls, given: Any) -> Any:
        return with_present_names(given)

    @model_validator(mode="after")
    def _check_indices(self) -> Manifest:
        for collection in COLLECTIONS:
            indices = [variable.index for variable in self.variables if variable.collection == collection]
            if indices != list(range(len(indices))):
                raise ValueError(f"the {collection} variables are not numbered 0, 1, 2, …")
        are_examples = {stored_variable.collection == "example" for stored_variable in self.examples}
        if any(stored_variable.collection == "example" for stored_variable in self.variables) or False in are_examples:
            raise ValueError("an example is none of the state's variables")
        return self

    @model_validator(mode="after")
    def _check_averages(self) -> Manifest:
        forms = [
            (stored_variable.collection, stored_variable.shape, stored_variable.dtype)
            for stored_variable in self.variables
        ]
        for place, average in self.averages.items():
            if not (0 <= place < len(forms) and 0 <= average < len(forms)):
                raise ValueError("an average is of no variable")
            is_known = forms[average][0] in ("optimizer", "measured")
            if forms[place][0] != "model" or not is_known or forms[average][1:] != forms[place][1:]:
                raise ValueError("an average is not of its variable's form")
        return self

    @property
    def is_trained(self) -> bool:
        """Whether training came by here and may go on: an average is made, not trained."""
        return self.kind != "selected"

    @property
    def is_older(self) -> bool:
        """Whether a version wrote it that kept one optimizer alone, and nothing beside variables."""
        return "inputs" not in self.model_fields_set

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What could not be captured."""
        return tuple(
            Missing(missing_part.layer, missing_part.attribute, missing_part.type, missing_part.advice)
            for missing_part in self.incomplete
        )

    @property
    def position(self) -> Position:
        return Position(self.step, self.epoch, self.batch)

    @property
    def size_bytes(self) -> int:
        """Bytes of all values, shared ones included."""
        return sum(value.size_bytes for value in self.stored)

    @property
    def stored(self) -> tuple[StoredVariable, ...]:
        """Every value that lies in a pack."""
        return (*self.variables, *self.examples)

    @property
    def objects(self) -> frozenset[str]:
        """Digests of the packs that this checkpoint needs."""
        return frozenset(value.object for value in self.stored)


def encode(manifest: Manifest) -> tuple[bytes, str]:
    """Return the bytes of the manifest's file and its digest."""
    body = manifest.model_dump_json(exclude=None if manifest.incomplete else {"incomplete"}).encode()
    digest = blake3(body).hexdigest()
    return _HEAD + digest.encode() + _MIDDLE + body + _TAIL, digest


def decode(data: bytes, name: str) -> tuple[Manifest, str]:
    """Return the manifest in `data` and its digest; `name` is how errors call it.

    Raises:
        CheckpointDamaged: The bytes are not a whole manifest of a known format.
    """
    body, digest = unwrap(data, name)
    try:
        return Manifest.model_validate_json(body), digest
    except ValidationError as error:
        raise CheckpointDamaged(
            f"The manifest of checkpoint {name} cannot be read: {error.errors()[0]['msg']}.",
            hint="It may have been written by a newer keepbest: install that version.",
        ) from error


def names_in(data: bytes, name: str) -> set[str]:
    """Return the digests in a manifest's file: of its packs and its network, and of its values besides.

    Much cheaper than `decode`, for whoever asks what a store still needs.

    Raises:
        CheckpointDamaged: The bytes are not what was written.
    """
    return {digest.decode() for digest in _DIGEST.findall(unwrap(data, name)[0])}


def unwrap(data: bytes, name: str) -> tuple[bytes, str]:
    """Return the inner object of a manifest's file, as bytes, and its digest, which was checked."""
    digest, body = data[len(_HEAD) : len(_HEAD) + 64], data[_BODY_AT : -len(_TAIL)]
    framed = data.startswith(_HEAD) and data[_BODY_AT - len(_MIDDLE) : _BODY_AT] == _MIDDLE and data.endswith(_TAIL)
    if not framed or blake3(body).hexdigest().encode() != digest:
        raise CheckpointDamaged(f"The manifest of checkpoint {name} is not what was written: its digest differs.")
    return body, digest.decode()
