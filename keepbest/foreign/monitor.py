"""Guesses which metric of a foreign run was watched, by its name: runs of other tools seldom say it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from keepbest.stopping.direction import find_mode
from keepbest.stopping.validation import Mode

#: What names call the examples that a model is validated on, the most telling first.
_WORDS = (
    frozenset({"val", "valid", "validation", "dev"}),
    frozenset({"eval", "evaluation"}),
    frozenset({"test", "testing"}),
)
_BETWEEN = re.compile(r"[/._\- ]+")


def guess_monitor(keys: Iterable[str]) -> tuple[str, Mode] | None:
    """Return the metric that was watched and which way it gets better; None if no name tells.

    A loss goes first, then the order of the keys decides.

    Example:
        >>> guess_monitor(["loss/train", "acc/val", "loss/val"]), guess_monitor(["loss"])
        (('loss/val', 'min'), None)
    """
    known = {key: told for key in keys if (told := _read(key)) is not None}
    key = min(known, key=lambda name: known[name][0], default=None)
    return None if key is None else (key, known[key][1])


def _read(key: str) -> tuple[tuple[int, bool], Mode] | None:
    """Return how telling a name is, and its direction; None of one that is no validation's."""
    words = [word for word in _BETWEEN.split(key.lower()) if word]
    for rank, names in enumerate(_WORDS):
        rest = [word for word in words if word not in names]
        if len(rest) == len(words) or not rest:
            continue
        mode = find_mode("_".join(rest))
        if mode is not None:
            return (rank, rest[-1] != "loss"), mode
    return None
