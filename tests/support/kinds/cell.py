"""The result of a kind on a road: a word and its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tests.support.kinds.training import are_equal

#: `lost`: Keras' own file in this form loses it too. `--into`: equal with the user's own model.
Word = Literal["equal", "refused", "--into", "lost", "WRONG"]


@dataclass(frozen=True)
class Cell:
    word: Word
    why: str = ""


def judge(answer: Callable[[], Sequence[Any]], expected: Sequence[Any], *, tolerance: float = 0) -> Cell:
    """Return whether a road gives the answer that is expected. An error of keepbest's own is a refusal."""
    try:
        found = answer()
    except Exception as error:
        return refused(error)
    if are_equal(found, expected, tolerance):
        return Cell("equal")
    return Cell("WRONG", "another answer, without a word")


def refused(error: Exception) -> Cell:
    """Return the cell of an error: keepbest's own error is a refusal, any other is wrong."""
    said = " ".join(str(error).split())
    if any(one.__name__ == "KeepbestError" for one in type(error).__mro__):
        return Cell("refused", f"{said} {getattr(error, 'hint', None) or ''}".strip())
    return Cell("WRONG", f"{type(error).__name__}: {said}")
