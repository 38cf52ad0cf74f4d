"""Which TensorFlow variables an object of the user's holds, each under a name: a model, a module, a dict, a list.

`tf.Module.variables` leaves out Keras layers and random generators that a module holds, and Keras leaves out plain
`tf.Variable`s: what is not kept cannot be rolled back, and nobody would hear of it. So all of them are looked for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from keepbest.errors import InvalidInput

#: The name of a variable, and the variable: Keras' or TensorFlow's.
Named = tuple[str, Any]


class Trained:
    """What is trained, as one thing: an object that holds variables, and the optimizers that move them.

    Without `optimizers`, that of a compiled model is meant.
    """

    def __init__(self, kept: Any, optimizers: Sequence[Any] = ()) -> None:
        self.kept = kept
        own = getattr(kept, "optimizer", None) if _is_keras(kept, "Layer") else None
        self.optimizers = tuple(optimizers) or ((own,) if own is not None else ())

    def check(self) -> None:
        """Raise InvalidInput where there is nothing to keep."""
        if not self.variables():
            raise _refuse(self.kept, "")

    def variables(self) -> list[Named]:
        """Return what is kept, each variable once, without the optimizers' own.

        Raises:
            InvalidInput: There is something in it that holds no variables, or a layer that has none yet.
        """
        moved = {_identity(named) for named in self.optimizer_variables()}
        found: dict[int, Named] = {}
        for named in _walk(self.kept):
            found.setdefault(_identity(named), named)
        return [named for identity, named in found.items() if identity not in moved]

    def optimizer_variables(self) -> list[Named]:
        """Return the variables of the optimizers, which are built first where they are not yet.

        Raises:
            InvalidInput: One of several optimizers is not built: nobody here knows which variables it moves.
        """
        for number, optimizer in enumerate(self.optimizers):
            if not getattr(optimizer, "built", True):
                self._build(number, optimizer)
        paths = [""] if len(self.optimizers) == 1 else [str(number) for number in range(len(self.optimizers))]
        pairs = zip(paths, self.optimizers, strict=True)
        return [named for path, optimizer in pairs for named in _walk(optimizer, path)]

    def _build(self, number: int, optimizer: Any) -> None:
        if len(self.optimizers) > 1:
            raise InvalidInput(
                f"Optimizer {number + 1} of {len(self.optimizers)} has no variables yet.",
                field="optimizers",
                hint="Build each first, for the variables that it moves: optimizer.build(variables).",
            )
        if _is_keras(self.kept, "Layer"):
            optimizer.build(self.kept.trainable_variables)
        else:
            optimizer.build([variable for _, variable in _walk(self.kept) if variable.trainable])


def value_of(variable: Any) -> Any:
    """Return the `tf.Variable` of a variable, which may be Keras' own kind."""
    return variable.value if _is_keras(variable, "Variable") else variable


def _walk(thing: Any, path: str = "", *, inside: bool = False) -> Iterator[Named]:
    """Yield what `thing` holds. `inside` a module there may be things that hold no variables, elsewhere not."""
    import tensorflow as tf

    if isinstance(thing, tf.Variable):
        yield path or _name_of(thing), thing
    elif _is_keras(thing, "Variable"):
        yield path or thing.path, thing
    elif _is_keras(thing, "Layer", "Optimizer", "Metric", "random.SeedGenerator"):
        yield from _walk_keras(thing, path)
    elif isinstance(thing, Mapping):
        for key in sorted(thing, key=str):
            yield from _walk(thing[key], _join(path, key), inside=inside)
    elif isinstance(thing, list | tuple):
        for number, part in enumerate(thing):
            yield from _walk(part, _join(path, number), inside=inside)
    elif isinstance(thing, tf.__internal__.tracking.Trackable):
        for name, child in sorted(tf.train.TrackableView.children(thing).items()):
            yield from _walk(child, _join(path, name.removeprefix("_")), inside=True)
    elif not inside:
        raise _refuse(thing, path)


def _walk_keras(thing: Any, path: str) -> Iterator[Named]:
    """Yield what Keras lists, then the `tf.Variable`s that a user's layer made by itself, in their order."""
    import tensorflow as tf

    if path and not getattr(thing, "built", True):
        raise _refuse(thing, path)
    listed = [thing.state] if _is_keras(thing, "random.SeedGenerator") else thing.variables
    yield from ((_join(path, variable.path), variable) for variable in listed)
    if not _is_keras(thing, "Layer"):
        return
    measures = [variable.value for metric in getattr(thing, "metrics", []) for variable in metric.variables]
    known = {id(variable.value) for variable in listed} | {id(variable) for variable in measures}
    for one in tf.train.TrackableView(thing).descendants():
        if isinstance(one, tf.Variable) and id(one) not in known:
            yield _join(path, _name_of(one)), one


def _is_keras(thing: Any, *kinds: str) -> bool:
    """Whether it is of one of Keras' kinds; nothing is where nobody has imported Keras."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(thing, tuple(attrgetter(kind)(keras) for kind in kinds))


def _refuse(thing: Any, path: str) -> InvalidInput:
    what = f"{path}, a {type(thing).__name__}," if path else f"A {type(thing).__name__}"
    if _is_keras(thing, "Layer"):
        return InvalidInput(f"{what} is not built: it has no variables yet.", field="kept", hint="Call it once first.")
    return InvalidInput(
        f"{what} holds no TensorFlow variables.",
        field="kept",
        hint="What can be kept: a Keras model, a tf.Module, variables, or a dict or list of these. "
        "NumPy's generators go into carry=[…].",
    )


def _name_of(variable: Any) -> str:
    return str(variable.name).partition(":")[0]


def _identity(named: Named) -> int:
    return id(value_of(named[1]))


def _join(path: str, name: object) -> str:
    return f"{path}/{name}" if path else str(name)
