"""What all shapes of the wire share: strict fields, finite-or-named floats, ids and names."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

#: No i, l, o, u: an id read aloud or typed by hand is not misread.
ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
ID_LENGTH = 12
ID_PATTERN = rf"^[{ID_ALPHABET}]{{{ID_LENGTH}}}$"
#: A reference to a run may be its id, or the first letters of it.
MIN_PREFIX = 4

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,99}$"
DIGEST_PATTERN = r"^[0-9a-f]{64}$"

Id = Annotated[str, Field(pattern=ID_PATTERN)]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Digest = Annotated[str, Field(pattern=DIGEST_PATTERN)]
MetricKey = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Step = Annotated[int, Field(ge=0, le=2**53)]
Text = Annotated[str, Field(max_length=10_000)]
#: Why a checkpoint was written: it was the best, the newest, asked for, a look that the selector may choose, or an
#: average that it made.
CheckpointKind = Literal["best", "last", "manual", "candidate", "selected"]
Scalar = str | bool | int | float | None
Json = Any
Moment = AwareDatetime


class Shape(BaseModel):
    """Base of every request and response: unknown fields are refused, instances do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings", defer_build=True)


class Answer(Shape):
    """Base of a response: a newer tracker may say more than this client knows."""

    model_config = ConfigDict(extra="ignore")


class Page(Answer):
    """What lists have in common: `cursor` asks for the next page, null on the last."""

    cursor: str | None = None
    total: int | None = None


def new_id() -> str:
    """Return a fresh random id: 60 bits, so that a prefix of a few letters names one run among thousands."""
    return "".join(ID_ALPHABET[byte % 32] for byte in secrets.token_bytes(ID_LENGTH))


def iso(moment: datetime) -> str:
    """Return `moment` as ISO 8601 in UTC with a Z."""
    return moment.isoformat().replace("+00:00", "Z")
