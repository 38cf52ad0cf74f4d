"""Whether a model got variables, layers or optimizers since the last call: found out in a few microseconds.

Keras and TensorFlow put everything that is made into lists of the object that it belongs to. So it is enough to know
how long these were.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

from keepbest.model.saveables import Saveable, skipped_of

_VARIABLES = ("_trainable_variables", "_non_trainable_variables")
_LISTS = (
    *_VARIABLES,
    "_seed_generators",
    "_layers",
    "_variables",
    "_inner_optimizers",
    "_self_unconditional_checkpoint_dependencies",
)


class Growth:
    """The lengths of what belongs to a model, when this is made."""

    def __init__(self, kept: Any, saveables: list[Saveable]) -> None:
        self._lists = [sized for _, thing in saveables for sized in _lists_of(thing)]
        if isinstance(kept, dict | list):
            self._lists.append(kept)
        self._lengths = list(map(len, self._lists))

    def is_new(self) -> bool:
        """Whether anything was added, or taken out."""
        return list(map(len, self._lists)) != self._lengths


def _lists_of(thing: Any) -> list[Sized]:
    """Return Keras' own lists of an object, and those of its user. What measures is no part of a state."""
    held, known = vars(thing), skipped_of(thing._obj_type())
    own = [held[name] for name in (_VARIABLES if _is_leaf(thing) else _LISTS) if isinstance(held.get(name), list)]
    attributes = [(name, value) for name, value in held.items() if name not in known and not name.startswith("_")]
    users = [value for _, value in attributes if isinstance(value, list | dict)]
    return [*own, *users]


def _is_leaf(thing: Any) -> bool:
    """Whether it is a built layer of Keras' own with none in it: LoRA and quantizing give it variables, no more."""
    is_keras = type(thing).__module__.startswith("keras.")
    return is_keras and getattr(thing, "built", False) and getattr(thing, "_layers", None) == []
