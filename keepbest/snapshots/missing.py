"""The parts of a model that keepbest cannot capture. A warning names them when a run begins, and each state does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_SHOWN = 10


@dataclass(frozen=True)
class Missing:
    """A part of the state that keepbest cannot capture: its layer and attribute, and what to do about it."""

    layer: str
    attribute: str
    type: str
    advice: str

    def __str__(self) -> str:
        where = f"{self.layer}.{self.attribute}" if self.attribute else self.layer
        return f"{where}, a {self.type}. {self.advice}"


def describe(missing: Sequence[Missing]) -> str:
    """Return the warning that names the missing parts."""
    lines = [f"  {item}" for item in missing[:_SHOWN]]
    more = [f"  … and {len(missing) - _SHOWN} more"] if len(missing) > _SHOWN else []
    head = "keepbest cannot capture a part of this model. Its checkpoints are incomplete, and no restore is whole:"
    return "\n".join([head, *lines, *more])


def name_of(holder: Any) -> str:
    """Return the class and the name of an object, for messages."""
    name = getattr(holder, "name", None)
    kind = type(holder).__name__
    return f"{kind} {name!r}" if isinstance(name, str) else kind
