"""Every object that Keras saves: layers, models, metrics, optimizers, each once, with its path, in Keras' order.

Keras walks over the attributes of a model, and over lists and dicts in them, and gives each object it meets the chance
to save what only it knows. A path says the way (`layers/string_lookup`, `blocks/block_1/scale`): names that Keras
numbers per process are not in it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from keepbest.snapshots.backend import check_backend

#: What Keras saves, with its path.
Saveable = tuple[str, Any]


#: What was found in each object, for as long as `walked_once` lasts.
_found: ContextVar[dict[int, list[Saveable]] | None] = ContextVar("found", default=None)


@contextmanager
def walked_once() -> Iterator[None]:
    """Walk over each object a single time while this lasts: of a large model a walk takes longer than all the rest.

    Whoever asks for it must build nothing meanwhile, and hold what is walked over.
    """
    token = _found.set({})
    try:
        yield
    finally:
        _found.reset(token)


def saveables_of(kept: Any) -> list[Saveable]:
    """Return all of them in `kept`: a model, a `tf.Module`, or a dict or list of these.

    Raises InvalidInput where Keras computes with another library than TensorFlow.
    """
    if "keras" not in sys.modules:
        return []
    check_backend()
    known = _found.get()
    if known is None:
        return list(_walk(kept, "", set()))
    if id(kept) not in known:
        known[id(kept)] = list(_walk(kept, "", set()))
    return known[id(kept)]


def is_saveable(thing: Any) -> bool:
    """Whether Keras' saving looks at it."""
    from keras.src.saving.keras_saveable import KerasSaveable

    return isinstance(thing, KerasSaveable)


def _walk(thing: Any, path: str, seen: set[int]) -> Iterator[Saveable]:
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if is_saveable(thing):
        yield path, thing
        for name, child in _attributes_of(thing):
            yield from _walk(child, _join(path, name), seen)
    elif isinstance(thing, Mapping | list | tuple):
        yield from _walk_container(thing, path, seen)
    elif _is_module(thing):
        for name, child in sorted(vars(thing).items()):
            yield from _walk(child, _join(path, name.removeprefix("_")), seen)


def _walk_container(container: Any, path: str, seen: set[int]) -> Iterator[Saveable]:
    """Name what lies in a list or a dict as Keras does: by its class, numbered from the second of a class on."""
    from keras.src.utils.naming import to_snake_case

    used: dict[str, int] = {}
    for one in list(container.values()) if isinstance(container, Mapping) else list(container):
        kind = to_snake_case(type(one).__name__) if is_saveable(one) else "container"
        if is_saveable(one) or isinstance(one, Mapping | list | tuple) or _is_module(one):
            number = used[kind] = used.get(kind, -1) + 1
            yield from _walk(one, _join(path, f"{kind}_{number}" if number else kind), seen)


def _attributes_of(saveable: Any) -> Iterator[tuple[str, Any]]:
    """Yield what Keras would look at; a property of the user's that raises is passed over."""
    from keras.src.saving.saving_lib import _walk_saveable

    for name, child in _walk_saveable(saveable):
        if is_saveable(child) or isinstance(child, dict | list | tuple) or _is_module(child):
            yield name, child


def _is_module(thing: Any) -> bool:
    import tensorflow as tf

    return isinstance(thing, tf.Module) and not isinstance(thing, tf.Variable)


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
