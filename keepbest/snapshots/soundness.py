"""Whether a network has become NaN: a trained variable was finite when the run began, and is not any more.

Nobody sees that in a value: the accuracy of predictions that are NaN is the share of class 0. What was not finite from
the beginning (a mask of -inf) is meant so, and never judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from keepbest.snapshots.snapshot import VariableSet
from keepbest.snapshots.state import State

#: Numbers looked at in one go: they stay in the processor's cache.
_AT_ONCE = 2**17


class Soundness:
    """Knows which variables of a run are to stay finite. `begin` comes first; any thread may ask then."""

    def __init__(self) -> None:
        #: From a variable to whether it was finite when it was first seen.
        self._began_finite: dict[str, bool] = {}

    def begin(self, living: VariableSet) -> None:
        """Look at the trained variables that are new since the last call: one pass over their values."""
        known, trained = self._began_finite, living.trained
        if not living.specs or any(living.specs[place].name not in known for place in trained):
            result = living.read_trained()
            known.update((name, is_finite(value)) for name, value in result.items() if name not in known)

    def find_fault(self, state: State) -> str | None:
        """Return, in words, which trained variable of a state has become NaN or infinite; None where none has."""
        judged = [place for place, spec in enumerate(state.specs) if self._began_finite.get(spec.name, False)]
        broken = next((place for place in judged if not is_finite(state.values[place])), None)
        return None if broken is None else f"{state.specs[broken].path} {_say(state.values[broken])}"


def is_finite(value: Any) -> bool:
    """Whether each number of a tensor or array is one. Lets go of Python's lock, and copies nothing."""
    return all(finite.all() for finite in _pieces(value))


def _pieces(value: Any) -> Iterable[Any]:
    import numpy as np

    flat = np.asarray(value).reshape(-1)
    return (np.isfinite(flat[start : start + _AT_ONCE]) for start in range(0, flat.size, _AT_ONCE))


def _say(value: Any) -> str:
    import numpy as np

    array = np.asarray(value)
    broken, count = int((~np.isfinite(array)).sum()), array.size
    word = "NaN" if np.isnan(array).any() else "infinite"
    return f"became {word}" if count == broken else f"became {word} ({broken:,} of {count:,} numbers)"
