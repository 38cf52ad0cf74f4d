"""Averages and the weights they are of: which value a model gets to be used, and what stays as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.checkpoint import Store
from keepbest.checkpoint.export import named_arrays
from keepbest.checkpoint.plan import make_plan
from keepbest.errors import CheckpointMismatch
from keepbest.snapshots.averages import find_used, use
from keepbest.snapshots.compare import compare
from keepbest.snapshots.state import State, VariableSpec
from tests.support.states import RUN, about, state_of

#: The bias is not trained.
RAW: list[tuple[Any, str, Any]] = [
    ("model", "dense/kernel", np.array([1.0, 2.0], np.float32)),
    ("model", "dense/bias", np.array([3.0], np.float32)),
    ("optimizer", "adam/iteration", np.array(7)),
    ("optimizer", "adam/dense_kernel_average", np.array([10.0, 20.0], np.float32)),
    ("optimizer", "adam/dense_kernel_velocity", np.array([5.0, 6.0], np.float32)),
]
PLAIN = [RAW[0], RAW[1], RAW[2], RAW[4]]


@pytest.fixture
def state() -> State:
    return replace(state_of(RAW), averages={0: 3})


def specs(arrays: list[tuple[Any, str, Any]]) -> tuple[VariableSpec, ...]:
    return state_of(arrays).specs


def test_a_state_is_used_as_its_averages(state: State) -> None:
    assert [np.ravel(value).tolist() for value in use(state).values] == [[10, 20], [3], [7], [10, 20], [5, 6]]
    assert state.values[0].tolist() == [1, 2]
    assert use(state).id == state.id


def test_without_averages_it_is_used_as_it_is(state: State) -> None:
    plain = replace(state, averages={})
    assert use(plain) is plain
    assert find_used(state.specs, {}, specs(PLAIN)) == dict(zip(state.specs, range(5), strict=True))


def test_a_model_whose_optimizer_averages_is_offered_all(state: State) -> None:
    assert find_used(state.specs, state.averages, state.specs) == dict(zip(state.specs, [3, 1, 2, 3, 4], strict=True))


def test_one_that_does_not_is_offered_no_averages_and_fits(state: State) -> None:
    """By place: the velocity moves up to where the average was."""
    offered = find_used(state.specs, state.averages, specs(PLAIN))
    assert list(offered.values()) == [3, 1, 2, 4]
    assert compare(list(offered), specs(PLAIN)) == []
    make_plan("a", list(offered), specs(PLAIN)).check(partial=False)
    with pytest.raises(CheckpointMismatch):
        make_plan("a", state.specs, specs(PLAIN)).check(partial=False)


def test_the_network_alone_is_offered_averages_too(state: State) -> None:
    offered = find_used(state.specs, state.averages, specs(PLAIN[:2]))
    assert [place for spec, place in offered.items() if spec.collection == "model"] == [3, 1]


def test_a_checkpoint_holds_both_and_says_which_is_which(state: State, tmp_path: Path) -> None:
    """Files for others have the averages in the model's places."""
    store = Store(tmp_path)
    store.write(state, about())
    loaded = store.load(RUN, state.id)
    assert loaded.manifest.averages == {0: 3}
    assert loaded.to_state(as_tensors=False).averages == state.averages
    assert [array.tolist() for array in loaded.arrays] == [array.tolist() for _, _, array in RAW]
    named = named_arrays(loaded)
    assert named["model/dense/kernel"].tolist() == named["optimizer/adam/dense_kernel_average"].tolist() == [10, 20]
    assert named["raw/dense/kernel"].tolist() == [1, 2]
    assert [name for name in named if name.startswith("raw/")] == ["raw/dense/kernel"]
