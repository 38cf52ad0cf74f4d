"""The form of what a network is called with: taken from a batch, kept as JSON, and made into batches again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from keepbest.checkpoint.inputs import Inputs, describe_batch, describe_shapes


class Ragged:
    """As much of a ragged tensor as is seen of it."""

    shape, dtype, flat_values = (3, None), np.float32, np.ones(3)


@pytest.mark.parametrize(
    ("batch", "shape", "dtype"),
    [
        (np.ones((8, 3), np.float32), (None, 3), "float32"),
        (np.ones((8, 3)), (None, 3), "float32"),  # Keras hands on Python's own float as its own
        (np.ones(8, np.int64), (None,), "int64"),
        (np.array([["a"], ["bc"]]), (None, 1), "string"),
        (np.array([[b"a"]], object), (None, 1), "string"),
    ],
)
def test_one_tensor(batch: Any, shape: tuple[int | None, ...], dtype: str) -> None:
    assert describe_batch(batch) == Inputs(shape=shape, dtype=dtype)


@pytest.mark.parametrize("batch", [Ragged(), {"a": Ragged()}, {1: np.ones(2)}, [], np.float32(1), None, "text", [1, 2]])
def test_what_is_no_batch_of_arrays(batch: Any) -> None:
    assert describe_batch(batch) is None


structures = st.recursive(
    st.builds(lambda sides: np.zeros((2, *sides), np.float32), st.lists(st.integers(0, 3), max_size=3)),
    lambda parts: (
        st.lists(parts, min_size=1, max_size=3)
        | st.lists(parts, min_size=1, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=5), parts, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


@given(structures)
def test_a_structure_comes_back_as_it_was(batch: Any) -> None:
    form = describe_batch(batch)
    assert form is not None
    known = Inputs.model_validate_json(form.model_dump_json())
    leaves = iter(known.flatten(batch))
    again = known.fill(lambda leaf: next(leaves))
    assert describe_batch(again) == known
    assert [one.shape[1:] for one in known.leaves] == [one.shape[1:] for one in known.flatten(again)]
    assert all(one is other for one, other in zip(known.flatten(batch), known.flatten(again), strict=True))


def test_keras_record_of_shapes() -> None:
    found = describe_shapes({"a": [None, 4], "b": (7, 3)}, "float32")
    assert found == describe_batch({"a": np.ones((2, 4)), "b": np.ones((2, 3))})
    assert describe_shapes([(None, 4), (None, 2)], "int32") == describe_batch(
        [np.ones((1, n), np.int32) for n in (4, 2)]
    )


@pytest.mark.parametrize(
    "said",
    [
        {"shape": [None, 2**30]},
        {"shape": [None, -1]},
        {"kind": "dict", "keys": ["a"], "parts": []},
        {
            "kind": "list",
            "parts": [{"shape": [None, 2**15, 2**12]}, {"shape": [None, 2**15, 2**12]}, {"shape": [None]}],
        },
    ],
)
def test_what_no_network_is_called_with_is_refused(said: dict[str, Any]) -> None:
    """A manifest is data of others: nothing of that size is made."""
    with pytest.raises(ValidationError):
        Inputs.model_validate({"dtype": "float32", **said})
