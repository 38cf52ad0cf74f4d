"""What older versions wrote into journals, in the words of this one: what is a validation now was once a look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keepbest.renamed import FIELDS


def to_present(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the header of a batch with its fields under their present names."""
    return {FIELDS.get(name, name): value for name, value in header.items()}


def is_older(header: bytes) -> bool:
    """Whether a header, as JSON, may hold a field under an older name: read from its bytes, so it costs nothing."""
    return any(f'"{name}":'.encode() in header for name in FIELDS)
