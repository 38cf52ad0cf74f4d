"""Finds out whether a network has become NaN: a trained variable was finite when the run began, and is no longer.

The monitored value does not show this: the accuracy of NaN predictions is the share of class 0. A variable that was not
finite at the beginning (a mask of -inf) is so on purpose, and is not judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from keepbest.snapshots.snapshot import VariableSet
from keepbest.snapshots.state import State

#: Numbers tested at once: so many fit into the processor's cache.
_AT_ONCE = 2**17


class Soundness:
    """Knows the variables of a run that must stay finite. After `begin`, any thread may call `find_fault`."""

    def __init__(self) -> None:
        #: From a variable's name to whether it was finite at first.
        self._began_finite: dict[str, bool] = {}

    def begin(self, living: VariableSet) -> None:
        """Test the trained variables that are new since the last call, in one pass over their values."""
        known, trained = self._began_finite, living.trained
        if not living.specs or any(living.specs[place].name not in known for place in trained):
            result = living.read_trained()
            known.update((name, is_finite(value)) for name, value in result.items() if name not in known)

    def find_fault(self, state: State) -> str | None:
        """Return the trained variable of a state that has become NaN or infinite, in words, or None."""
        judged = [place for place, spec in enumerate(state.specs) if self._began_finite.get(spec.name, False)]
        broken = next((place for place in judged if not is_finite(state.values[place])), None)
        return None if broken is None else f"{state.specs[broken].path} {_say(state.values[broken])}"


def is_finite(value: Any) -> bool:
    """Whether every number of a tensor or array is finite. Releases Python's lock, and copies nothing."""
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
