"""Cursors: where a page ended, as an opaque text. A page goes on after a row, so rows added meanwhile shift nothing."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from keepbest.errors import InvalidInput


def write(order: str, values: Sequence[Any]) -> str:
    """Return the cursor after the row that has these values in this order."""
    packed = json.dumps([order, *values], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read(cursor: str, order: str, count: int) -> list[Any]:
    """Return the `count` values of a cursor; raises InvalidInput unless `write` made it for this very order."""
    try:
        known, *values = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error):
        raise refuse() from None
    if known != order or len(values) != count:
        raise refuse("belongs to a list in another order")
    return list(values)


def refuse(why: str = "is none that this tracker gave") -> InvalidInput:
    """Return the error for a cursor that is not ours."""
    return InvalidInput(f"The cursor {why}.", field="cursor", hint="Begin again without a cursor.")
