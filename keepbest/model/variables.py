"""Finds every TensorFlow variable of a user's model, module, dict or list, each with a name.

`tf.Module.variables` leaves out Keras layers and random generators that a module holds, and Keras leaves out plain
`tf.Variable`s. A roll back would silently leave such variables as they are, so this module finds all of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import Any

from keepbest.errors import InvalidInput
from keepbest.model.attributes import things_in
from keepbest.model.encoding import PLAIN
from keepbest.model.saveables import Saveable, find_once, internal_to, saveables_of
from keepbest.model.trackables import children_of, descendants_of

#: The name of a variable, and the variable: Keras' or TensorFlow's.
Named = tuple[str, Any]


class TrainedObject:
    """An object that holds variables, together with the optimizers that train them.

    First come the optimizers named in `optimizers`, or else the optimizer of a compiled model; then those that `kept`
    holds in attributes, lists, dicts and nested models.
    """

    def __init__(self, kept: Any, optimizers: Sequence[Any] = ()) -> None:
        self.kept = kept
        self._named = tuple(optimizers)

    @property
    def optimizers(self) -> tuple[Any, ...]:
        """The optimizers that are built; if none is, the ones that are named or compiled."""
        return tuple(optimizer for _, optimizer in self.named_optimizers())

    def check(self) -> None:
        """Raise InvalidInput if there is no variable to keep, or none yet."""
        if not self._all_variables():
            raise _refuse(*next(_unbuilt_in(self.kept, ""), (self.kept, "")))

    def variables(self) -> list[Named]:
        """Return each variable once, without the optimizers' own. A layer that is not built has none yet.

        Raises InvalidInput if `kept` holds an object that can hold no variables.
        """
        return [named for named in self._all_variables() if _is_plain(named)]

    def odd_variables(self) -> list[Named]:
        """Return the variables of words or of rare types, which a store holds only encoded."""
        return [named for named in self._all_variables() if not _is_plain(named)]

    def _all_variables(self) -> list[Named]:
        return find_once("variables", self, self._find_variables)

    def _find_variables(self) -> Iterator[Named]:
        saveables = saveables_of(self.kept)
        left_out = self._find_others(saveables)
        result: dict[int, Named] = {}
        for named in (*_walk(self.kept), *_hidden_in(saveables)):
            result.setdefault(id(value_of(named[1])), named)
        yield from (named for identity, named in result.items() if identity not in left_out)

    def optimizer_variables(self) -> list[Named]:
        """Return the variables of the optimizers that are built. This builds none: training does."""
        return [named for path, optimizer in self.named_optimizers() for named in _walk(optimizer, path)]

    def named_optimizers(self) -> list[Saveable]:
        """Return `optimizers`, each with the prefix of its variables' names."""
        built = [pair for pair in self.all_optimizers() if getattr(pair[1], "built", True)]
        return built or self._first_optimizers()

    def all_optimizers(self) -> list[Saveable]:
        """Return every optimizer with the prefix of its variables' names, also those that are not built yet."""
        first = self._first_optimizers()
        known = {id(optimizer) for _, optimizer in first}
        return first + [pair for pair in _outermost(saveables_of(self.kept)) if id(pair[1]) not in known]

    def _first_optimizers(self) -> list[Saveable]:
        own = getattr(self.kept, "optimizer", None) if _is_keras(self.kept, "Layer") else None
        named = self._named or ((own,) if own is not None else ())
        return [(str(number) if len(named) > 1 else "", item) for number, item in enumerate(named)]

    def _find_others(self, saveables: list[Saveable]) -> set[int]:
        """Return the ids of variables of optimizers, metrics and lookups. (A `Vocabulary` reads a whole lookup.)"""
        optimizers = [optimizer for _, optimizer in self.all_optimizers()]
        result = {id(value_of(variable)) for optimizer in optimizers for _, variable in _walk(optimizer)}
        for _, thing in saveables:
            if _is_keras(thing, "Metric"):
                result |= {id(value_of(variable)) for variable in thing.variables}
            elif is_lookup(thing):
                result |= {id(value) for value in vars(thing).values() if _is_variable(value)}
        return result


def is_lookup(thing: Any) -> bool:
    """Whether `thing` is a lookup of Keras: `StringLookup` or `IntegerLookup`."""
    return _is_keras(thing, "layers.StringLookup", "layers.IntegerLookup")


def _outermost(saveables: list[Saveable]) -> list[Saveable]:
    """Return the optimizers that no other optimizer holds."""
    pairs = [(path, thing) for path, thing in saveables if _is_keras(thing, "optimizers.Optimizer")]
    inner = {id(item) for _, optimizer in pairs for item in _inner_of(optimizer)}
    return [(path, optimizer) for path, optimizer in pairs if id(optimizer) not in inner]


def _inner_of(optimizer: Any) -> list[Any]:
    return [*getattr(optimizer, "optimizers", ()), *filter(None, [getattr(optimizer, "inner_optimizer", None)])]


def _hidden_in(saveables: list[Saveable]) -> Iterator[Named]:
    """Yield the variables in lists, dicts and objects of the user's own."""
    for path, thing, _ in things_in(saveables):
        if _is_variable(thing) or _is_keras(thing, "Variable"):
            yield path, thing
        elif _is_keras(thing, "Layer") and thing.built:
            yield from _walk(thing, path)


def _is_plain(named: Named) -> bool:
    return value_of(named[1]).dtype.base_dtype.name in PLAIN


def _is_variable(thing: Any) -> bool:
    import tensorflow as tf

    return isinstance(thing, tf.Variable)


def value_of(variable: Any) -> Any:
    """Return the `tf.Variable` of a variable of Keras, or the `tf.Variable` itself."""
    return variable.value if _is_keras(variable, "Variable") else variable


def _walk(thing: Any, path: str = "", *, inside: bool = False) -> Iterator[Named]:
    """Yield the variables of `thing`. Only `inside` a module may there be objects that hold no variables."""
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
        for name, child in sorted(children_of(thing).items()):
            yield from _walk(child, _join(path, name.removeprefix("_")), inside=True)
    elif not inside:
        raise _refuse(thing, path)


def _walk_keras(thing: Any, path: str) -> Iterator[Named]:
    """Yield the variables that Keras lists, then the plain `tf.Variable`s of a user's layer, in their order."""
    import tensorflow as tf

    listed = _listed_in(thing)
    yield from ((_join(path, variable.path), variable) for variable in listed)
    if not _is_keras(thing, "Layer"):
        return
    measures = [variable.value for metric in getattr(thing, "metrics", []) for variable in metric.variables]
    known = {id(variable.value) for variable in listed} | {id(variable) for variable in measures}
    for descendant in descendants_of(thing):
        if isinstance(descendant, tf.Variable) and id(descendant) not in known:
            yield _join(path, _name_of(descendant)), descendant


def _listed_in(thing: Any) -> Sequence[Any]:
    if _is_keras(thing, "random.SeedGenerator"):
        return [thing.state]
    return held_by(thing) if _is_keras(thing, "Optimizer") else thing.variables


def held_by(optimizer: Any) -> list[Any]:
    """Return an optimizer's variables, with those that it does not list, each after the others of the same optimizer.

    Keras does not list Nadam's product of momenta and some variables of Adafactor when a wrapper that scales the loss
    is around the optimizer.
    """
    variables = list(optimizer.variables)
    known = {id(value_of(item)) for item in variables}
    for item in _all_in(optimizer):
        hidden = [held for held in _variables_in(item) if id(held.value) not in known]
        last = id(value_of(item.variables[-1])) if item.variables else None
        place = next((at for at, held in enumerate(variables, 1) if id(value_of(held)) == last), len(variables))
        variables[place:place] = hidden
        known |= {id(held.value) for held in hidden}
    return variables


def _variables_in(optimizer: Any) -> Iterator[Any]:
    """Yield the variables in the attributes of a Keras optimizer, and in lists there.

    The attributes that every optimizer has are left out: they hold the network's variables too. So are the optimizers
    of a user's own class, which may hold the network's variables in any attribute.
    """
    if type(optimizer).__module__.startswith("keras."):
        internal = internal_to(optimizer)
        for held in (held for name, held in vars(optimizer).items() if name not in internal):
            yield from (part for part in (held if isinstance(held, list) else [held]) if _is_keras(part, "Variable"))


def _all_in(optimizer: Any) -> Iterator[Any]:
    """Yield the innermost optimizers first: a wrapper's list ends with the variables of its inner optimizer."""
    for item in _inner_of(optimizer):
        yield from _all_in(item)
    yield optimizer


def _unbuilt_in(thing: Any, path: str) -> Iterator[tuple[Any, str]]:
    """Yield the layers that have no variables yet, with their names in lists and dicts."""
    if _is_keras(thing, "Layer"):
        yield from [] if thing.built else [(thing, path)]
    elif isinstance(thing, Mapping | list | tuple):
        for key, part in thing.items() if isinstance(thing, Mapping) else enumerate(thing):
            yield from _unbuilt_in(part, _join(path, key))


def _is_keras(thing: Any, *kinds: str) -> bool:
    """Whether `thing` is of one of these classes of Keras; never so if nobody has imported Keras."""
    return "keras" in sys.modules and isinstance(thing, _classes(kinds))


@cache
def _classes(kinds: tuple[str, ...]) -> tuple[type, ...]:
    return tuple(attrgetter(kind)(sys.modules["keras"]) for kind in kinds)


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


def _join(path: str, name: object) -> str:
    return f"{path}/{name}" if path else str(name)
