"""Defines what all requests and responses share: strict fields, ids, names, moments and limits."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

#: Lacks i, l, o and u, which people misread when they read an id aloud or type it.
ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
ID_LENGTH = 12
ID_PATTERN = rf"^[{ID_ALPHABET}]{{{ID_LENGTH}}}$"
#: The fewest characters of a reference to a run, which is its id or the beginning of its id.
MIN_PREFIX = 4

#: Users, tokens and workers have names that people type into settings and addresses. `keepbest.contract.names` has
#: the other names.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,99}$"
DIGEST_PATTERN = r"^[0-9a-f]{64}$"

Id = Annotated[str, Field(pattern=ID_PATTERN)]
PlainName = Annotated[str, Field(pattern=NAME_PATTERN)]
Digest = Annotated[str, Field(pattern=DIGEST_PATTERN)]
#: The largest whole number that Python, a browser that reads JSON and both databases all keep exactly.
MAX_WHOLE = 2**53
Count = Annotated[int, Field(ge=0, le=MAX_WHOLE)]
Whole = Annotated[int, Field(ge=-MAX_WHOLE, le=MAX_WHOLE)]
Step = Count
Text = Annotated[str, Field(max_length=10_000)]
#: Why the trainer wrote a checkpoint: its state was the best or the newest, somebody asked for it, the selector may
#: choose it, or the selector made it as an average.
CheckpointKind = Literal["best", "last", "manual", "candidate", "selected"]
Scalar = Annotated[str, Field(max_length=2000)] | bool | Whole | float | None
#: A document in a response. In a request it is a `Value`.
Json = Any
Moment = AwareDatetime
#: A moment in a request lies between these years, because both databases keep such a moment in every time zone.
FIRST_YEAR, LAST_YEAR = 1900, 2999
#: The most levels of a document's value, and the most digits of a whole number in it.
MAX_DEPTH = 50
MAX_DIGITS = 300


def check_timestamp(moment: datetime) -> datetime:
    """Return the moment in UTC; raises ValueError for one that a database cannot keep."""
    if not FIRST_YEAR < moment.year < LAST_YEAR:
        raise ValueError(f"a moment lies between the years {FIRST_YEAR} and {LAST_YEAR}")
    return moment.astimezone(UTC)


def check_value(value: Any) -> Any:
    """Return a document's value; raises ValueError if it is too deep or if a database cannot keep it."""
    level, depth = [value], 0
    while level:
        if depth > MAX_DEPTH:
            raise ValueError(f"a value is at most {MAX_DEPTH} levels deep")
        for item in level:
            if isinstance(item, str):
                check_text(item)
            elif isinstance(item, int) and abs(item) >= 10**MAX_DIGITS:
                raise ValueError(f"a whole number has at most {MAX_DIGITS} digits")
        level, depth = [inner for item in level for inner in _inside(item)], depth + 1
    return value


def check_text(text: str) -> str:
    """Return a text; raises ValueError if it holds NUL or half of a character."""
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("a text holds whole characters: this has half of a surrogate pair")
    if "\0" in text:
        raise ValueError("a text holds no NUL character, which no database keeps")
    return text


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return list(value) if isinstance(value, list | tuple) else []


Timestamp = Annotated[AwareDatetime, AfterValidator(check_timestamp)]
Value = Annotated[Any, AfterValidator(check_value)]
#: The name of a field in a document.
FieldName = Annotated[str, Field(max_length=200), AfterValidator(check_text)]


class Shape(BaseModel):
    """Base of every request and response. It refuses unknown fields, and its instances do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings", defer_build=True)


class Answer(Shape):
    """Base of a response. It ignores unknown fields, because a newer tracker may send fields that this client lacks."""

    model_config = ConfigDict(extra="ignore")


class Page(Answer):
    """Base of one page of a list. `cursor` asks for the next page; the last page has null."""

    cursor: str | None = None
    total: int | None = None


def new_id() -> str:
    """Return a fresh random id: 60 bits, so that a prefix of a few letters names one run among thousands."""
    return "".join(ID_ALPHABET[byte % 32] for byte in secrets.token_bytes(ID_LENGTH))


def iso(moment: datetime) -> str:
    """Return `moment` as ISO 8601 in UTC with a Z."""
    return moment.isoformat().replace("+00:00", "Z")
