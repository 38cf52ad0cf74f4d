"""Objects in the attributes of a layer, model or module that neither Keras nor TensorFlow lists.

TensorFlow lists a variable that is an attribute, but no variable inside a list, a dict or an object of the user's own.
Keras lists no plain `tf.Variable`. Neither lists tables, iterators or NumPy's generators. All of these may change the
result of the next step.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from keepbest.model.saveables import Saveable, Seen, find_once, internal_to, is_saveable
from keepbest.model.trackables import children_of

#: Limits of the walk, beyond what real models nest and hold.
_MAX_DEPTH, _MAX_THINGS = 12, 200_000
#: Packages whose objects the walk does not enter.
_CLOSED = {"keras", "tensorflow", "numpy", "keepbest", "jax", "torch", "h5py", "pandas", "scipy", "sklearn"}
#: Prefixes of the attributes in which Keras and TensorFlow keep their own records of a layer.
_INTERNAL = ("_self_", "_inbound_nodes", "_outbound_nodes", "_nodes", "_operations", "_tracker")

#: The path of an object, the object, and the layer, model or module that holds it.
Found = tuple[str, Any, Any]


def things_in(saveables: list[Saveable]) -> list[Found]:
    """Return every object in the attributes of `saveables`, and in lists, dicts and objects there, each once.

    The walk does not enter an object that Keras saves: `saveables` lists it already.
    """
    return find_once("things", saveables, lambda: _find(saveables))


def is_tensor(thing: Any) -> bool:
    """Whether `thing` is a tensor or a variable. The test for `dtype` comes first because `tf.is_tensor` is slow."""
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
    is_plain = thing is None or isinstance(thing, bool | int | float | complex | str | bytes | type)
    if is_plain or id(thing) in seen or depth > _MAX_DEPTH or len(seen) > _MAX_THINGS:
        return
    seen[id(thing)] = thing
    yield path, thing, holder
    for name, child in _children_of(thing):
        yield from _walk(child, f"{path}/{name}", holder, seen, depth + 1)


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
