"""Lists every object that Keras saves: layers, models, metrics, optimizers, each once, with its path, in Keras' order.

Keras walks over the attributes of a model, and over lists and dicts in them, and lets each object save its own state.
A path names the attributes on the way (`layers/string_lookup`, `blocks/block_1/scale`). It holds no name that Keras
numbers per process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from inspect import getattr_static
from types import FunctionType
from typing import Any, TypeVar

from keepbest.model.backend import check_backend

#: The path of an object that Keras saves, and the object.
Saveable = tuple[str, Any]

#: The objects that a walk has met, by `id`. The walk holds them: Python may give the `id` of a collected object, such
#: as a list that a property returned, to a new object, which the walk would then skip.
Seen = dict[int, Any]

#: Attributes of a class that cannot hold a layer.
_HOLDS_NOTHING = (FunctionType, staticmethod, classmethod, str, int, float, type(None))

_T = TypeVar("_T")

#: The results of walks and the objects walked over, while `walked_once` lasts.
_found: ContextVar[dict[tuple[str, int], tuple[Any, list[Any]]] | None] = ContextVar("found", default=None)


@contextmanager
def walked_once() -> Iterator[None]:
    """Walk over each object a single time while this lasts: walks take most of the time with a large model.

    The caller must build nothing meanwhile.
    """
    token = _found.set({})
    try:
        yield
    finally:
        _found.reset(token)


def find_once(what: str, thing: object, find: Callable[[], Iterator[_T]]) -> list[_T]:
    """Return the list of what `find` yields. Inside `walked_once`, `find` runs once for each `what` and `thing`."""
    known = _found.get()
    if known is None:
        return list(find())
    if (what, id(thing)) not in known:
        known[what, id(thing)] = thing, list(find())
    return known[what, id(thing)][1]


def saveables_of(kept: Any) -> list[Saveable]:
    """Return every object that Keras saves in `kept`: a model, a `tf.Module`, or a dict or list of these.

    Raises InvalidInput if Keras computes with another library than TensorFlow.
    """
    if "keras" not in sys.modules:
        return []
    check_backend()
    return find_once("saveables", kept, lambda: _walk(kept, "", {}))


def is_saveable(thing: Any) -> bool:
    """Whether Keras saves `thing` as an object of its own."""
    return isinstance(thing, _saveable_class())


@cache
def _saveable_class() -> type:
    from keras.src.saving.keras_saveable import KerasSaveable

    return KerasSaveable  # type: ignore[no-any-return]  # Keras ships no types


def internal_to(saveable: Any) -> frozenset[str]:
    """Return the private attributes that Keras gives every object of this kind, such as the list of its weights."""
    return frozenset(name for name in skipped_of(saveable._obj_type()) if name.startswith("_"))


def _walk(thing: Any, path: str, seen: Seen) -> Iterator[Saveable]:
    if id(thing) in seen:
        return
    seen[id(thing)] = thing
    if is_saveable(thing):
        yield path, thing
        for name, child in _attributes_of(thing):
            yield from _walk(child, _join(path, name), seen)
    elif isinstance(thing, Mapping | list | tuple):
        yield from _walk_container(thing, path, seen)
    elif _is_module(thing):
        for name, child in sorted(vars(thing).items()):
            yield from _walk(child, _join(path, name.removeprefix("_")), seen)


def _walk_container(container: Any, path: str, seen: Seen) -> Iterator[Saveable]:
    """Yield the objects in a list or dict. Keras names them by their class, numbered from the second of a class on."""
    from keras.src.utils.naming import to_snake_case

    used: dict[str, int] = {}
    for item in list(container.values()) if isinstance(container, Mapping) else list(container):
        kind = to_snake_case(type(item).__name__) if is_saveable(item) else "container"
        if is_saveable(item) or isinstance(item, Mapping | list | tuple) or _is_module(item):
            number = used[kind] = used.get(kind, -1) + 1
            yield from _walk(item, _join(path, f"{kind}_{number}" if number else kind), seen)


def _attributes_of(saveable: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes that Keras would walk over, without a user's property that raises."""
    from keras.src.saving.saving_lib import _name_key

    kind = saveable._obj_type()
    if kind in ("Sequential", "Functional"):
        yield "layers", saveable.layers
    known: Any = type(saveable)
    names = {*_names_in(known, tuple(len(vars(item)) for item in known.__mro__)), *vars(saveable)} - skipped_of(kind)
    for name in sorted(names, key=_name_key):
        if not name.startswith("__"):
            child = _attribute_of(saveable, name)
            if is_saveable(child) or isinstance(child, dict | list | tuple) or _is_module(child):
                yield name, child


@lru_cache(maxsize=1024)
def _names_in(kind: Any, lengths: tuple[int, ...]) -> frozenset[str]:
    """Return the attributes of a class that may hold a layer: properties may, methods and numbers cannot.

    `lengths` are the numbers of attributes of the class and its bases: a class that gets more needs a new answer.
    """
    attributes = {name: getattr_static(kind, name, None) for name in dir(kind)}
    return frozenset(name for name, value in attributes.items() if not isinstance(value, _HOLDS_NOTHING))


@cache
def skipped_of(kind: str) -> frozenset[str]:
    """Return the attributes that Keras skips. Cached: Keras makes a layer each time to find them out."""
    from keras.src.saving.saving_lib import get_attr_skipset

    return frozenset(get_attr_skipset(kind))


def _attribute_of(thing: Any, name: str) -> Any:
    try:
        return getattr(thing, name)
    except Exception:  # a user's property may raise anything
        return None


def _is_module(thing: Any) -> bool:
    import tensorflow as tf

    return isinstance(thing, tf.Module) and not isinstance(thing, tf.Variable)


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
