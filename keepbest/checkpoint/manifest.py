"""The manifest: everything about a checkpoint but the numbers themselves.

Its file is `{"digest":"<64 hex>","manifest":{…}}`. The digest is blake3 of the inner object's bytes as they stand in
the file, so the check needs no canonical form. keepbest does not trust the content: ids and digests must look like ids
and digests, and every path is made from them.
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

#: Format 2 adds state beside the variables. A checkpoint without any is written in format 1, which older versions read.
FORMAT = 2
#: The size of a manifest with 100,000 variables; keepbest writes no larger one.
MAX_MANIFEST_BYTES = 64 * 2**20

_HEAD, _MIDDLE, _TAIL = b'{"digest":"', b'","manifest":', b"}"
_BODY_AT = len(_HEAD) + 64 + len(_MIDDLE)
_DIGEST = re.compile(rb'"([0-9a-f]{64})"')

Size = Annotated[int, Field(ge=0, lt=2**63)]


class StoredVariable(Shape):
    """One variable: its description, the digest of its value, and the pack that holds the value."""

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
    """A part of the state that keepbest could not capture."""

    layer: str = Field(max_length=300)
    attribute: str = Field(max_length=300)
    type: str = Field(max_length=300)
    advice: str = Field(max_length=1000)


class Manifest(Shape):
    """A checkpoint. `id` is the id of its state. `network` is the digest of Keras' JSON of the model, and `inputs` the
    form of the model's inputs, if known. `examples` are a few inputs and the network's predictions for them.

    `value` was measured on `n` examples. An average names the checkpoints that it is `made_of`, the best first. If the
    run measured running averages of the weights, `averages` maps the place of a variable to the place of its average:
    predictions take the average, and training goes on with the variable itself. `incomplete` are the parts that
    keepbest could not capture.
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
    def _rename(cls, stopper: Any) -> Any:
        return with_present_names(stopper)

    @model_validator(mode="after")
    def _check_indices(self) -> Manifest:
        for collection in COLLECTIONS:
            indices = [variable.index for variable in self.variables if variable.collection == collection]
            if indices != list(range(len(indices))):
                raise ValueError(f"the {collection} variables are not numbered 0, 1, 2, …")
        are_examples = [stored.collection == "example" for stored in self.examples]
        if any(stored.collection == "example" for stored in self.variables) or not all(are_examples):
            raise ValueError("an example is none of the state's variables")
        return self

    @model_validator(mode="after")
    def _check_averages(self) -> Manifest:
        forms = [(stored.collection, stored.shape, stored.dtype) for stored in self.variables]
        for place, average in self.averages.items():
            if not (0 <= place < len(forms) and 0 <= average < len(forms)):
                raise ValueError("an average belongs to no variable")
            is_known = forms[average][0] in ("optimizer", "measured")
            if forms[place][0] != "model" or not is_known or forms[average][1:] != forms[place][1:]:
                raise ValueError("an average does not have the form of its variable")
        return self

    @property
    def is_trained(self) -> bool:
        """Whether training can go on from here: an average that a selector made was never trained."""
        return self.kind != "selected"

    @property
    def is_older(self) -> bool:
        """Whether an old version of keepbest wrote it, which kept one optimizer and no state beside variables."""
        return "inputs" not in self.model_fields_set

    @property
    def missing(self) -> tuple[Missing, ...]:
        """The parts of the state that keepbest could not capture."""
        return tuple(Missing(part.layer, part.attribute, part.type, part.advice) for part in self.incomplete)

    @property
    def position(self) -> Position:
        return Position(self.step, self.epoch, self.batch)

    @property
    def size_bytes(self) -> int:
        """Bytes of all values, shared ones included."""
        return sum(value.size_bytes for value in self.stored)

    @property
    def stored(self) -> tuple[StoredVariable, ...]:
        """Every value of the checkpoint: the variables and the examples."""
        return (*self.variables, *self.examples)

    @property
    def objects(self) -> frozenset[str]:
        """Digests of the packs that this checkpoint needs."""
        return frozenset(value.object for value in self.stored)


def encode(manifest: Manifest) -> tuple[bytes, str]:
    """Return the bytes of the manifest's file and its digest."""
    return frame(manifest.model_dump_json(exclude=None if manifest.incomplete else {"incomplete"}).encode())


def frame(body: bytes) -> tuple[bytes, str]:
    """Return the bytes of a manifest's file around its inner object, and the object's digest; `unwrap` undoes this."""
    digest = blake3(body).hexdigest()
    return _HEAD + digest.encode() + _MIDDLE + body + _TAIL, digest


def decode(data: bytes, name: str) -> tuple[Manifest, str]:
    """Return the manifest in `data` and its digest; errors call the checkpoint `name`.

    Raises:
        CheckpointDamaged: The bytes are not a whole manifest of a known format.
    """
    body, digest = unwrap(data, f"checkpoint {name}")
    try:
        return Manifest.model_validate_json(body), digest
    except ValidationError as error:
        raise CheckpointDamaged(
            f"The manifest of checkpoint {name} cannot be read: {error.errors()[0]['msg']}.",
            hint="If a newer keepbest wrote it, install that version.",
        ) from error


def names_in(data: bytes, name: str) -> set[str]:
    """Return all digests in a manifest's file: of its packs, its network and its values.

    It is much cheaper than `decode`; gc calls it for every manifest of a store.

    Raises:
        CheckpointDamaged: The bytes are not what was written.
    """
    return {digest.decode() for digest in _DIGEST.findall(unwrap(data, f"checkpoint {name}")[0])}


def unwrap(data: bytes, whose: str) -> tuple[bytes, str]:
    """Return the bytes of the inner object of a manifest's file, and their checked digest.

    `whose` says whose manifest it is, as in "checkpoint 0123456789ab".
    """
    digest, body = data[len(_HEAD) : len(_HEAD) + 64], data[_BODY_AT : -len(_TAIL)]
    framed = data.startswith(_HEAD) and data[_BODY_AT - len(_MIDDLE) : _BODY_AT] == _MIDDLE and data.endswith(_TAIL)
    if not framed or blake3(body).hexdigest().encode() != digest:
        raise CheckpointDamaged(f"The manifest of {whose} is not what was written: its digest differs.")
    return body, digest.decode()
