"""Gives the fields of journals of older versions their present names: a validation was once called a look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keepbest.renamed import FIELDS


def to_present(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the header of a batch with its fields under their present names."""
    return {FIELDS.get(name, name): value for name, value in header.items()}


def is_older(header: bytes) -> bool:
    """Whether a header may hold a field under an older name. Searches the JSON bytes, without parsing them."""
    return any(f'"{name}":'.encode() in header for name in FIELDS)
