"""Tags of models: one document a model, of a bounded number of keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keepbest.errors import InvalidInput, NotFound

#: Tags, or parameters, of one model.
MAX_TAGS = 1000


def join(known: Mapping[str, Any], more: Mapping[str, str], what: str = "tags") -> dict[str, Any]:
    """Return tags with others set; raises InvalidInput for more than a model may have."""
    joined = {**known, **more}
    if len(joined) > MAX_TAGS:
        raise InvalidInput(f"A model has at most {MAX_TAGS} {what}, but this {len(joined)}.", field=what)
    return joined


def without(known: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return tags without one; a key that is not there makes no difference."""
    return {name: value for name, value in known.items() if name != key}


def need(known: Mapping[str, Any], key: str, whose: str) -> None:
    """Raise NotFound where there is no tag of this key."""
    if key not in known:
        raise NotFound(f"No tag with name: {key} in {whose}.", field="key")
