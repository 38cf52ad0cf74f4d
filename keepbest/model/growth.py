"""Finds out in a few microseconds whether a model got new variables, layers or optimizers.

Keras and TensorFlow add every new object to a list of its owner. So comparing the lengths of these lists is enough.
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
    """The lengths of the lists of a model's objects at the time when this is made."""

    def __init__(self, kept: Any, saveables: list[Saveable]) -> None:
        self._lists = [sized for _, thing in saveables for sized in _lists_of(thing)]
        if isinstance(kept, dict | list):
            self._lists.append(kept)
        self._lengths = list(map(len, self._lists))

    def is_new(self) -> bool:
        """Whether a list has grown or shrunk since."""
        return list(map(len, self._lists)) != self._lengths


def _lists_of(thing: Any) -> list[Sized]:
    """Return the lists of an object that Keras keeps, and the lists and dicts that its user keeps."""
    held, known = vars(thing), skipped_of(thing._obj_type())
    # A built layer of Keras without layers inside gets nothing but variables later, by LoRA or quantizing.
    is_keras = type(thing).__module__.startswith("keras.")
    is_leaf = is_keras and getattr(thing, "built", False) and getattr(thing, "_layers", None) == []
    own = [held[name] for name in (_VARIABLES if is_leaf else _LISTS) if isinstance(held.get(name), list)]
    attributes = [(name, value) for name, value in held.items() if name not in known and not name.startswith("_")]
    return [*own, *(value for _, value in attributes if isinstance(value, list | dict))]
