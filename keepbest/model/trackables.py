"""What TensorFlow tracks below an object, also where TensorFlow itself will not say.

A list or dict that was changed otherwise than by appending cannot be written by `tf.train.Checkpoint`, which refuses it
while looking. Keras does that to an optimizer's own list where a schedule takes the place of a plain learning rate, and
people do it to the lists of their layers. Here it is looked into as it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any


def children_of(thing: Any) -> dict[str, Any]:
    """Return what lies directly below a trackable object, by name."""
    import tensorflow as tf

    try:
        return dict(tf.train.TrackableView.children(thing))
    except ValueError:
        return dict(_members_of(thing))


def descendants_of(thing: Any) -> Iterator[Any]:
    """Yield `thing` and all below it, each once, breadth first: TensorFlow's own order."""
    seen, waiting = {id(thing): thing}, deque([thing])
    while waiting:
        popleft = waiting.popleft()
        yield popleft
        for child in children_of(popleft).values():
            if id(child) not in seen:
                seen[id(child)] = child
                waiting.append(child)


def _members_of(thing: Any) -> Iterator[tuple[str, Any]]:
    import tensorflow as tf

    pairs: Any = ()
    if isinstance(thing, Mapping):
        pairs = thing.items()
    elif isinstance(thing, list | tuple):
        pairs = enumerate(thing)
    for name, part in pairs:
        if isinstance(part, tf.__internal__.tracking.Trackable):
            yield str(name), part
