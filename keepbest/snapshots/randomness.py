"""Captures and restores the random states of Python, NumPy, Keras and TensorFlow.

The hidden counters of TensorFlow's stateful random ops are not among them: nothing can read these.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from keepbest.model.reader import read_one

#: The algorithm of TensorFlow's global generator.
_ALGORITHM = "philox"


class RandomStates(Mapping[str, Any]):
    """Random states as JSON, made at the first access: training does not wait for lists of 1,249 numbers."""

    def __init__(self, python: tuple[Any, ...], numpy: Any, tensors: Mapping[str, Any]) -> None:
        self._python = python
        self._numpy = numpy
        self._tensors = tensors

    def __getitem__(self, name: str) -> Any:
        return self._json[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._json)

    def __len__(self) -> int:
        return len(self._json)

    @cached_property
    def _json(self) -> dict[str, Any]:
        version, internal, gauss = self._python
        kind, key, place, has_gauss, cached = self._numpy
        tensors = {name: None if value is None else value.numpy().tolist() for name, value in self._tensors.items()}
        return {
            "python": [version, list(internal), gauss],
            "numpy": [kind, key.tolist(), place, has_gauss, cached],
            **tensors,
        }


def capture_random(*, tensorflow: bool = True) -> RandomStates:
    """Return the random states; without `tensorflow` only Python's and NumPy's.

    While a graph is built, reading TensorFlow's states would add operations to the graph.
    """
    import numpy as np

    tensors = _capture_tensorflow() if tensorflow else {}
    return RandomStates(random.getstate(), np.random.get_state(legacy=True), tensors)


def _capture_tensorflow() -> dict[str, Any]:
    keras_generator, generator = _find_keras_generator(), _find_global_generator()
    return {
        "keras": None if keras_generator is None else read_one(keras_generator.state.value),
        "tensorflow": None if generator is None else read_one(generator.state),
    }


def restore_random(states: Mapping[str, Any], *, tensorflow: bool = True) -> None:
    """Put back the states that `capture_random` returned, or their JSON."""
    import numpy as np

    if tensorflow:
        _restore_tensorflow(states)
    if states.get("numpy") is not None:
        kind, key, place, has_gauss, cached = states["numpy"]
        np.random.set_state((kind, np.array(key, dtype=np.uint32), place, has_gauss, cached))
    if states.get("python") is not None:
        version, internal, gauss = states["python"]
        random.setstate((version, tuple(internal), gauss))


def _restore_tensorflow(states: Mapping[str, Any]) -> None:
    import tensorflow as tf

    if states.get("keras") is not None:
        _get_keras_generator().state.assign(states["keras"])
    if states.get("tensorflow") is not None:
        generator = _find_global_generator()
        if generator is None:
            tf.random.set_global_generator(tf.random.Generator.from_state(states["tensorflow"], _ALGORITHM))
        else:
            generator.reset(states["tensorflow"])


def _find_global_generator() -> Any:
    """Return TensorFlow's global generator, or None if there is none and operations are to be deterministic."""
    import tensorflow as tf

    try:
        return tf.random.get_global_generator()
    except RuntimeError:  # TensorFlow would seed it by chance, which `enable_op_determinism` forbids
        return None


def _find_keras_generator() -> Any:
    """Return Keras' own seed generator, or None if there is none: making one would change Python's random state."""
    seeds = sys.modules.get("keras.src.random.seed_generator")
    if seeds is None:
        return None
    return seeds.global_state.get_global_attribute(seeds.GLOBAL_SEED_GENERATOR)


def _get_keras_generator() -> Any:
    from keras.src.random.seed_generator import global_seed_generator

    return global_seed_generator()
