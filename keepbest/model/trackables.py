"""Lists what TensorFlow tracks below an object, also where TensorFlow itself refuses to.

`tf.train.Checkpoint` refuses a list or dict that somebody changed otherwise than by appending. Keras changes an
optimizer's own list so when a schedule replaces a plain learning rate, and users change the lists of their layers. This
module reads such a list as it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any


def children_of(thing: Any) -> dict[str, Any]:
    """Return the objects directly below a trackable object, by name."""
    import tensorflow as tf

    try:
        return dict(tf.train.TrackableView.children(thing))
    except ValueError:
        return dict(_members_of(thing))


def descendants_of(thing: Any) -> Iterator[Any]:
    """Yield `thing` and all objects below it, each once, breadth first: TensorFlow's own order."""
    seen, waiting = {id(thing): thing}, deque([thing])
    while waiting:
        parent = waiting.popleft()
        yield parent
        for child in children_of(parent).values():
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
