"""Cursors: the last row of a page as an opaque text. The next page begins after that row, so new rows shift nothing."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from keepbest.errors import InvalidInput

#: What no database keeps in a text.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
#: What fits into a column of whole numbers.
_LARGEST = 2**63


def write(order: str, values: Sequence[Any]) -> str:
    """Return the cursor after a row with these values, of a list in this order."""
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    packed = json.dumps([order, *plain], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read(cursor: str, order: str, *kinds: type) -> list[Any]:
    """Return a cursor's values, each of its kind; raises InvalidInput for a cursor of another order or form."""
    try:
        known, *values = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError):
        raise refuse() from None
    if known != order:
        raise refuse("belongs to a list in another order")
    if len(values) != len(kinds):
        raise refuse()
    return [check(value, kind) for value, kind in zip(values, kinds, strict=True)]


def refuse(why: str = "was not made by this tracker") -> InvalidInput:
    """Return the error for a wrong cursor."""
    return InvalidInput(f"The cursor {why}.", field="cursor", hint="Begin again without a cursor.")


def check(value: Any, kind: type) -> Any:
    """Return a value of a cursor as one of this kind (`object`: as it is); raises InvalidInput where it is none."""
    if kind is object:
        return value
    if kind is datetime and isinstance(value, str):
        return _read_time(value)
    is_number = type(value) is int and abs(value) < _LARGEST
    is_text = isinstance(value, str) and _UNSTORABLE.search(value) is None
    fits = {int: is_number, float: is_number or isinstance(value, float), str: is_text}
    if not fits.get(kind, False):
        raise refuse()
    return value


def _read_time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise refuse() from None
