"""Finds, reads and restores the state of a model that is no variable: vocabularies, tables, saved assets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import is_not
from typing import Any

from keepbest.errors import CheckpointError, KeepbestError
from keepbest.model.attributes import is_tensor, things_in
from keepbest.model.encoding import PLAIN
from keepbest.model.holders import (
    Arrays,
    Assets,
    Boundaries,
    FixedTable,
    Holder,
    LookupTable,
    OddVariable,
    OwnVariables,
    Vocabulary,
    equal,
)
from keepbest.model.saveables import Saveable, saveables_of
from keepbest.model.variables import TrainedObject, is_lookup, value_of
from keepbest.snapshots.missing import Missing, name_of
from keepbest.snapshots.state import BESIDE, VARIABLES, Collection, State, VariableSpec

#: The description of an entry, and its array.
Entry = tuple[VariableSpec, Any]
#: The collection and the path of an entry.
Place = tuple[Collection, str]


class Beside:
    """The state of `trained` beside its variables, of the parts that are built when this object is made."""

    def __init__(self, trained: TrainedObject) -> None:
        self.saveables = saveables_of(trained.kept)
        self.missing: list[Missing] = []
        self._holders = [holder for holder in self._find(trained) if self._works(holder)]
        self._last: tuple[list[Arrays], tuple[Entry, ...]] = ([], ())

    def read(self) -> tuple[Entry, ...]:
        """Return all entries; no later training changes them. Returns the same tuple again if nothing changed."""
        if not self._holders:
            return ()
        saved = [holder.save() for holder in self._holders]
        if len(saved) != len(self._last[0]) or any(map(is_not, saved, self._last[0])):
            self._last = saved, tuple(self._entries(saved))
        return self._last[1]

    def compare(self, given: Sequence[Entry]) -> dict[Place, str]:
        """Return the entries of `given` that this model cannot take, by collection and path, and why."""
        shared, lone = self._share(given)
        why = "is in the checkpoint, and nothing in the model takes it"
        result: dict[Place, str] = {
            (spec.collection, spec.path): f"{spec.collection}/{spec.path} {why}" for spec in lone
        }
        for holder, arrays in shared:
            if arrays and (line := holder.compare(arrays)):
                places: list[Place] = [(holder.kind, f"{holder.path}:{name}") for name in arrays]
                result |= dict.fromkeys(places, f"{holder.path}: {line}")
        return result

    def find_empty(self, given: Sequence[Entry]) -> list[str]:
        """Return the lookups that have no words and get none from `given`: such a model could not answer."""
        lone = [holder for holder, arrays in self._share(given)[0] if isinstance(holder, Vocabulary) and not arrays]
        words = "has no vocabulary, and the checkpoint holds none"
        return [f"{holder.path} {words}" for holder in lone if holder.is_empty]

    def load(self, given: Sequence[Entry]) -> bool:
        """Put back the entries that differ from the present ones; return whether there were any."""
        changed = False
        for holder, arrays in self._share(given)[0]:
            if arrays and not equal(arrays, holder.save()):
                holder.load(arrays)
                changed = True
        return changed

    def finish(self) -> bool:
        """Have layers recompute what they derive from their variables; return whether that changed anything."""
        return finalize(self.saveables)

    def renew(self) -> None:
        """Make the functions of all models anew, since their traces hold the old entries.

        At once, because Keras goes on calling the function that a model has while it trains.
        """
        for _, thing in self.saveables:
            for kind in ("train", "test", "predict"):
                if getattr(thing, f"{kind}_function", None) is not None:
                    setattr(thing, f"{kind}_function", None)
                    getattr(thing, f"make_{kind}_function")()

    def _share(self, given: Sequence[Entry]) -> tuple[list[tuple[Holder, dict[str, Any]]], list[VariableSpec]]:
        """Return the entries for each holder, and the entries that no holder takes."""
        pairs: list[tuple[Holder, dict[str, Any]]] = [(holder, {}) for holder in self._holders]
        by_length = sorted(pairs, key=lambda pair: -len(pair[0].path))
        lone = []
        for spec, value in given:
            for holder, arrays in by_length:
                if spec.collection == holder.kind and spec.path.startswith(f"{holder.path}:"):
                    arrays[spec.path.removeprefix(f"{holder.path}:")] = value
                    break
            else:
                lone.append(spec)
        return pairs, lone

    def _entries(self, saved: Sequence[Arrays]) -> Iterator[Entry]:
        numbers = {"asset": 0, "own": 0}
        for holder, arrays in zip(self._holders, saved, strict=True):
            for name, value in arrays.items():
                path, kind = f"{holder.path}:{name}", holder.kind
                yield VariableSpec(kind, numbers[kind], path, tuple(value.shape), _dtype_name(value)), value
                numbers[kind] += 1

    def _find(self, trained: TrainedObject) -> Iterator[Holder]:
        for path, thing in self.saveables:
            yield from _holders_of(path, thing)
        things = things_in(self.saveables)
        paths = {id(value_of(thing)): path for path, thing, _ in things}
        for path, variable in trained.odd_variables():
            yield OddVariable(paths.get(id(value_of(variable)), path), value_of(variable))
        for path, thing, holder in things:
            if not is_lookup(holder):
                yield from self._take(path, thing, holder)

    def _take(self, path: str, thing: Any, holder: Any) -> Iterator[Holder]:
        """Yield the holder for an object in an attribute, or note as missing that keepbest cannot capture it."""
        import tensorflow as tf

        if isinstance(thing, tf.lookup.experimental.MutableHashTable | tf.lookup.experimental.DenseHashTable):
            yield LookupTable(path, thing)
        elif isinstance(thing, tf.lookup.StaticHashTable):
            yield FixedTable(path, thing)
        elif isinstance(thing, tf.data.Iterator):
            advice = "Make it in each step, or pass the data to fit, whose position a run keeps."
            self._miss(path, thing, holder, advice)
        elif _is_resource(thing):
            self._miss(path, thing, holder, "Keep its content in a variable (self.add_weight or tf.Variable).")

    def _miss(self, path: str, thing: Any, holder: Any, advice: str) -> None:
        attribute = path.removeprefix(next((text for text, other in self.saveables if other is holder), ""))
        self.missing.append(Missing(name_of(holder), attribute.strip("/"), type(thing).__name__, advice))

    def _works(self, holder: Holder) -> bool:
        """Whether the holder can read its object; if not, note the object as missing."""
        try:
            for name, value in holder.save().items():
                if _dtype_name(value) not in PLAIN:
                    raise CheckpointError(f"{name} is of the type {value.dtype}.")
        except Exception as error:  # a user's own code may raise anything: training goes on
            why = error.message if isinstance(error, KeepbestError) else f"{type(error).__name__}: {error}"
            advice = f"Reading it failed ({why[:300]}). Correct that, or keep its content in a variable."
            self.missing.append(Missing(name_of(holder.thing), holder.what, type(holder.thing).__name__, advice))
            return False
        return True


def _holders_of(path: str, thing: Any) -> Iterator[Holder]:
    import keras

    if is_lookup(thing):
        yield Vocabulary(path, thing)
    elif isinstance(thing, keras.layers.Discretization):
        yield Boundaries(path, thing)
    if not getattr(thing, "built", True):
        return
    if _is_own(thing, "save_own_variables") or _is_own(thing, "load_own_variables"):
        yield OwnVariables(path, thing)
    if _is_own(thing, "save_assets"):
        yield Assets(path, thing)


def _is_own(thing: Any, method: str) -> bool:
    """Whether a user's class defines the method: other code saves the objects of Keras' own classes."""
    defined = getattr(type(thing), method, None)
    return defined is not None and not str(getattr(defined, "__module__", "")).startswith("keras.")


def _is_resource(thing: Any) -> bool:
    """Whether TensorFlow keeps content for `thing` that no checkpoint of Keras holds, such as a queue's."""
    import tensorflow as tf

    if isinstance(thing, tf.Variable | tf.data.Dataset) or not hasattr(type(thing), "__module__"):
        return False
    if is_tensor(thing):
        return thing.dtype in (tf.resource, tf.variant)
    return isinstance(thing, tf.queue.QueueBase)


def finalize(saveables: Sequence[Saveable]) -> bool:
    """Have layers recompute what they derive from their variables; return whether that changed anything."""
    return sum(_finalize(thing) for _, thing in saveables if _is_normalization(thing)) > 0


def _is_normalization(thing: Any) -> bool:
    import keras

    return isinstance(thing, keras.layers.Normalization) and thing.input_mean is None and thing.built


def _finalize(layer: Any) -> bool:
    import numpy as np

    before = layer.mean, layer.variance
    layer.finalize_state()
    if any(
        item is None or not np.array_equal(item, new)
        for item, new in zip(before, (layer.mean, layer.variance), strict=True)
    ):
        return True
    layer.mean, layer.variance = before
    return False


def _dtype_name(value: Any) -> str:
    return str(getattr(value.dtype, "name", value.dtype))


def variables_in(state: State) -> tuple[tuple[VariableSpec, ...], Sequence[int]]:
    """Return the descriptions of a state's variables, and their places in the state."""
    if not state.specs or state.specs[-1].collection in VARIABLES:  # entries beside variables come last
        return state.specs, range(len(state.specs))
    places = [place for place, spec in enumerate(state.specs) if spec.collection in VARIABLES]
    return tuple(state.specs[place] for place in places), places


def entries_in(state: State) -> list[Entry]:
    """Return the entries of a state beside its variables."""
    if not state.specs or state.specs[-1].collection in VARIABLES:
        return []
    return [(spec, state.values[at]) for at, spec in enumerate(state.specs) if spec.collection in BESIDE]
