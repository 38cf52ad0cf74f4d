"""Random operations whose place no checkpoint holds are found; those that draw from variables are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow", reason="needs TensorFlow: make install")
keras = pytest.importorskip("keras")

from worker.trainer.hidden_random_state import find_random_operations  # noqa: E402  # after the check that TensorFlow is there


class Noise(keras.layers.Layer):  # type: ignore[misc, name-defined]  # Keras ships no types
    def __init__(self, *, hidden: bool) -> None:
        super().__init__()
        self._generator = None if hidden else tf.random.Generator.from_seed(1)

    def call(self, x: Any) -> Any:
        return tf.cond(tf.reduce_sum(x) > 0, lambda: x + self._draw(x), lambda: x)

    def _draw(self, x: Any) -> Any:
        shape = tf.shape(x)
        return tf.random.normal(shape, seed=3) if self._generator is None else self._generator.normal(shape)


def trained(*, hidden: bool, **compiled: Any) -> Any:
    layers = [keras.layers.Input((3,)), Noise(hidden=hidden), keras.layers.Dropout(0.2), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse", **compiled)
    model.fit(np.ones((4, 3), np.float32), np.ones((4, 2), np.float32), batch_size=2, verbose=0)
    return model


@pytest.mark.parametrize("compiled", [{"jit_compile": False}, {"jit_compile": False, "steps_per_execution": 2}])
def test_hidden_counters_are_found(compiled: dict[str, Any]) -> None:
    """In a branch, so in a function that the step calls."""
    assert find_random_operations(trained(hidden=True, **compiled)) == ["RandomStandardNormal"]


def test_what_draws_from_variables_is_not() -> None:
    assert find_random_operations(trained(hidden=False, jit_compile=False)) == []


def test_a_step_that_was_never_traced_has_none() -> None:
    assert find_random_operations(keras.Sequential([keras.layers.Dense(1)])) == []
