"""Objects in the attributes of a layer, model or module that neither Keras nor TensorFlow lists.

TensorFlow sees a variable that is an attribute itself, but not one in a list, a dict or an object of the user's own;
Keras sees no plain `tf.Variable` at all; nobody lists tables, iterators and NumPy's generators. All of these may decide
what the next step computes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from keepbest.model.saveables import Saveable, Seen, find_once, internal_to, is_saveable
from keepbest.model.trackables import children_of

#: Deeper than people nest, and more than they hold.
_MAX_DEPTH, _MAX_THINGS = 12, 200_000
#: Objects of these are looked at only where they are of a kind that is known; their insides are their own.
_CLOSED = {"keras", "tensorflow", "numpy", "keepbest", "jax", "torch", "h5py", "pandas", "scipy", "sklearn"}
#: What Keras and TensorFlow keep of a layer for themselves.
_INTERNAL = ("_self_", "_inbound_nodes", "_outbound_nodes", "_nodes", "_operations", "_tracker")

#: One thing with its path, and the object that holds it.
Found = tuple[str, Any, Any]


def things_in(saveables: list[Saveable]) -> list[Found]:
    """Return what the attributes of all of them hold, and what lists, dicts and objects in these hold, each once.

    What Keras saves by itself is not gone into: it is among `saveables`.
    """
    return find_once("things", saveables, lambda: _find(saveables))


def is_tensor(thing: Any) -> bool:
    """Whether it is a tensor or a variable. TensorFlow alone is slow to say no."""
    import tensorflow as tf

    return hasattr(thing, "dtype") and bool(tf.is_tensor(thing))


def _find(saveables: list[Saveable]) -> Iterator[Found]:
    seen = {id(thing): thing for _, thing in saveables}
    for path, saveable in saveables:
        internal = internal_to(saveable)
        for name, value in _attributes_of(saveable):
            if name not in internal:
                yield from _walk(value, f"{path}/{name}" if path else name, saveable, seen, 0)


def _walk(thing: Any, path: str, holder: Any, seen: Seen, depth: int) -> Iterator[Found]:
    if id(thing) in seen or depth > _MAX_DEPTH or len(seen) > _MAX_THINGS or _is_plain(thing):
        return
    seen[id(thing)] = thing
    yield path, thing, holder
    for name, child in _children_of(thing):
        yield from _walk(child, f"{path}/{name}", holder, seen, depth + 1)


def _is_plain(thing: Any) -> bool:
    return thing is None or isinstance(thing, bool | int | float | complex | str | bytes | type)


def _children_of(thing: Any) -> Iterator[tuple[Any, Any]]:
    import tensorflow as tf

    if isinstance(thing, Mapping):
        yield from list(thing.items())
    elif isinstance(thing, list | tuple | set | frozenset):
        yield from enumerate(list(thing))
    elif isinstance(thing, tf.Variable | tf.data.Dataset) or is_saveable(thing) or is_tensor(thing):
        return
    elif isinstance(thing, tf.__internal__.tracking.Trackable):
        yield from ((name.removeprefix("_"), child) for name, child in sorted(children_of(thing).items()))
    elif _is_open(thing):
        yield from _attributes_of(thing)


def _is_open(thing: Any) -> bool:
    top = type(thing).__module__.partition(".")[0]
    return (
        hasattr(thing, "__dict__") and top not in _CLOSED and top not in sys.stdlib_module_names and not callable(thing)
    )


def _attributes_of(thing: Any) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in list(vars(thing).items()) if not name.startswith(_INTERNAL)]
