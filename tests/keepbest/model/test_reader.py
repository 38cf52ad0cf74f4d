"""Reading many variables at once: whatever their types and shapes, by reference, from any thread."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from keepbest.model.reader import Values, VariableReader

TYPES = ["float32", "float64", "float16", "bfloat16", "int32", "int64", "uint8", "bool", "complex64"]


def make_variables() -> list[Any]:
    import tensorflow as tf

    many = [tf.Variable(tf.cast(tf.reshape(tf.range(6), (2, 3)), name)) for name in TYPES]
    return [
        *many,
        tf.Variable("text"),
        tf.Variable(7.0),
        tf.Variable([1.0], shape=[None]),
        tf.Variable(tf.zeros((0, 4))),
    ]


class WithoutHandle:
    """Like a distributed variable: it has a handle only inside its strategy."""

    def __init__(self, variable: Any) -> None:
        self._variable = variable
        self.dtype, self.shape = variable.dtype, variable.shape

    @property
    def handle(self) -> Any:
        raise ValueError("there are several")

    def read_value(self) -> Any:
        return self._variable.read_value()


def values_of(tensors: Sequence[Any]) -> list[Any]:
    return [np.asarray(tensor).tolist() for tensor in tensors]


@pytest.mark.parametrize("with_one_of_several_devices", [False, True])
def test_every_type_and_shape_is_read(with_one_of_several_devices: bool) -> None:
    variables = make_variables()
    expected = values_of(variables)
    reader = VariableReader(variables + [WithoutHandle(variables[0])] * with_one_of_several_devices)
    read = reader.read()
    assert isinstance(read, Values) != with_one_of_several_devices
    assert len(read) == len(variables) + with_one_of_several_devices
    assert values_of(read[: len(variables)]) == expected
    assert [tensor.dtype for tensor in read][: len(TYPES)] == [variable.dtype for variable in variables][: len(TYPES)]


def test_what_was_read_stays_while_variables_change() -> None:
    variables = make_variables()
    reader, before = VariableReader(variables), values_of(variables)
    first = reader.read()  # taken apart after the change
    variables[0].assign_add(np.ones((2, 3), np.float32))
    variables[9].assign("other")
    variables[11].assign([1.0, 2.0, 3.0])
    second = reader.read()
    assert values_of(first) == before
    assert values_of(second) == values_of(variables) != before


def test_nothing_is_copied_and_unchanged_values_are_shared() -> None:
    variables = make_variables()
    reader = VariableReader(variables)
    first, second = ([np.asarray(value).ctypes.data for value in reader.read()[: len(TYPES)]] for _ in range(2))
    assert first == second


def test_several_threads_may_take_one_apart() -> None:
    read = VariableReader(make_variables()).read()
    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(lambda place: values_of([read[place % len(read)]]), range(40)))
    assert [one for (one,) in seen] == [values_of(read)[place % len(read)] for place in range(40)]


def test_of_no_variables_nothing_is_read() -> None:
    assert list(VariableReader([]).read()) == []
