"""State outside the model that goes into every snapshot: that of Keras callbacks and NumPy generators.

Callbacks keep counters and bests in Python attributes, which affect later steps. A snapshot takes the attributes that
changed since the callback was made, as JSON. It leaves out the configuration, so that a restarted script may configure
its callbacks anew. Keras' callbacks change some of their configuration themselves (`ReduceLROnPlateau` turns the sign
of `min_delta` at its first epoch), so an argument of their constructors never counts as state.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from keepbest.errors import CheckpointMismatch, InvalidInput

#: The attributes that Keras gives every callback.
_KERAS_OWN = {"_model", "params", "validation_data"}


class CarriedState:
    """Callbacks and generators whose state is a part of every snapshot, under the names of their classes.

    Raises InvalidInput for an object without attributes.
    """

    def __init__(self, things: Sequence[Any] = ()) -> None:
        named = dict(zip(_names_of(things), things, strict=True))
        self._generators = {name: thing for name, thing in named.items() if _is_generator(thing)}
        self._named = {name: thing for name, thing in named.items() if name not in self._generators}
        #: The objects whose hooks Keras calls.
        self.callbacks = tuple(self._named.values())
        _check(self._named)
        self._first = {name: _read(callback)[0] for name, callback in self._named.items()}

    def capture(self) -> dict[str, Any]:
        """Return the present state of all callbacks and generators, as JSON."""
        changed = {}
        for name, callback in self._named.items():
            first, present = self._first[name], _read(callback)[0]
            changed[name] = {key: value for key, value in present.items() if key not in first or first[key] != value}
        drawn = {name: _encode_bits(generator.bit_generator.state) for name, generator in self._generators.items()}
        return changed | drawn

    def check(self, states: Mapping[str, Any]) -> None:
        """Raise CheckpointMismatch if `restore` would, and change nothing."""
        for name, generator in self._generators.items():
            if name in states:
                _set_bits(name, deepcopy(generator), states[name])

    def restore(self, states: Mapping[str, Any]) -> None:
        """Put back the states that `capture` returned. An object without a state in `states` stays as it is.

        Raises CheckpointMismatch, and changes nothing, if a generator is of another kind than the captured one.
        """
        self.check(states)
        for name, generator in self._generators.items():
            if name in states:
                _set_bits(name, generator, states[name])
        for name, callback in self._named.items():
            if name in states:
                _write(callback, {**self._first[name], **states[name]})

    def find_lost(self) -> list[str]:
        """Return the attributes that are not JSON and may hold state, such as `EarlyStopping.best_weights`."""
        return [f"{name}.{lost}" for name, callback in self._named.items() for lost in _read(callback)[1]]


def _is_generator(thing: Any) -> bool:
    import numpy as np

    return isinstance(thing, np.random.Generator)


def _check(named: Mapping[str, Any]) -> None:
    for name, thing in named.items():
        if not hasattr(thing, "__dict__"):
            raise InvalidInput(
                f"{name} in carry has no attributes: there is no state to carry.",
                field="carry",
                hint="What can be carried: Keras callbacks, and generators of np.random.default_rng().",
            )


def _encode_bits(state: Any) -> Any:
    """Return the state of a bit generator as JSON: arrays of whole numbers become lists, which NumPy takes back."""
    import numpy as np

    if isinstance(state, dict):
        return {key: _encode_bits(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray | np.generic) else state


def _set_bits(name: str, generator: Any, state: Any) -> None:
    try:
        generator.bit_generator.state = state
    except (TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
        kind = type(generator.bit_generator).__name__
        raise CheckpointMismatch(
            f"The checkpoint holds no state for {name} of carry, a {kind} ({error}).",
            hint="Give carry generators of the same kinds, in the same order, as in the run that wrote the checkpoint.",
        ) from error


def _names_of(callbacks: Sequence[Any]) -> list[str]:
    """Return a name for each callback: its class, numbered from the second of a class on."""
    names: list[str] = []
    for callback in callbacks:
        name = type(callback).__name__
        same = sum(other.partition(" ")[0] == name for other in names)
        names.append(f"{name} {same + 1}" if same else name)
    return names


def _read(callback: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the attributes of a callback that are JSON, and the names of the others, without functions."""
    result, lost = {}, []
    configured = _KERAS_OWN | _configured(callback)
    for key, value in vars(callback).items():
        if key in configured or callable(value):
            continue
        try:
            result[key] = _encode(value)
        except TypeError:
            lost.append(key)
    return result, lost


def _configured(callback: Any) -> set[str]:
    """Return the names of the arguments that the constructors of its Keras classes take."""
    classes = [kind for kind in type(callback).__mro__ if kind.__module__.startswith("keras.")]
    return {name for kind in classes for name in inspect.signature(kind).parameters}


def _write(callback: Any, state: Mapping[str, Any]) -> None:
    for key in _read(callback)[0].keys() - state.keys():  # the attribute is newer than the state
        delattr(callback, key)
    # A checkpoint may not overwrite a function, nor an attribute that belongs to Python or to Keras.
    closed = _KERAS_OWN | _configured(callback) | {key for key in state if callable(getattr(callback, key, None))}
    for key in state.keys() - closed:
        if not key.startswith("__"):
            setattr(callback, key, _decode(state[key]))


def _encode(value: Any) -> Any:
    """Return `value` as JSON, which has no infinity, or raise TypeError."""
    import numpy as np

    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [_encode(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value) and value.keys() != {"float"}:
        return {key: _encode(item) for key, item in value.items()}
    raise TypeError(f"{type(value).__name__} is not JSON")


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if isinstance(value, dict):
        return float(value["float"]) if value.keys() == {"float"} else {key: _decode(v) for key, v in value.items()}
    return value
