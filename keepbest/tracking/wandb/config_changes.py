"""How a configuration changed, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MAX_CHANGES = 20
MAX_VALUE = 100


def describe_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return what differs between two configurations of JSON.

    >>> describe_changes({"rate": 0.1, "units": 8}, {"rate": 0.2, "seed": 1})
    'rate 0.1 → 0.2, seed (none) → 1, units 8 → (none)'
    """
    absent = object()
    names = sorted(name for name in {*before, *after} if before.get(name, absent) != after.get(name, absent))
    shown = [f"{name[:MAX_VALUE]} {_write(before, name)} → {_write(after, name)}" for name in names[:MAX_CHANGES]]
    more = f", and {len(names) - MAX_CHANGES} more" if len(names) > MAX_CHANGES else ""
    return ", ".join(shown) + more


def _write(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return "(none)"
    text = json.dumps(values[name], ensure_ascii=False)
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"
