"""Builds requests from options or arguments, and turns pydantic's errors into errors that name the field."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError

from keepbest.contract.base import NAME_PATTERN, Shape
from keepbest.contract.overrides import RATE_PATTERN
from keepbest.errors import InvalidInput

S = TypeVar("S", bound=Shape)
_PLAIN = {
    f"String should match pattern '{NAME_PATTERN}'": (
        "a name is letters, digits, space and ._/- (at most 100, the first a letter or digit)"
    ),
    f"String should match pattern '{RATE_PATTERN}'": "a number like 3e-5, or a multiple of the old rate like 0.1x",
}


def request(shape: type[S], **fields: Any) -> S:
    """Build a request; raises InvalidInput that names the first wrong field."""
    try:
        return shape(**fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        reason = first["msg"].removeprefix("Value error, ")
        message = _PLAIN.get(reason, reason[:1].lower() + reason[1:])
        field = ".".join(str(part) for part in first["loc"])
        given = first.get("input")
        shown = f" (got {given!r})" if isinstance(given, str | int | float) else ""
        raise InvalidInput(f"{field}: {message}{shown}.", field=field) from None
