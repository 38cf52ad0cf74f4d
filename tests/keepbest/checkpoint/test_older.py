"""Checkpoints that older versions wrote still load, where the values are all there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.checkpoint import Store
from keepbest.checkpoint.older import to_present
from keepbest.errors import CheckpointMismatch
from keepbest.snapshots.state import VariableSpec
from tests.support.states import RUN, about, state_of

#: What was written once of `{"net": a Dense layer in a Sequential, "opt": an SGD with momentum}`.
OLD: list[tuple[Any, str, Any]] = [
    ("model", "net/sequential/dense_2/kernel", np.full((3, 1), 2.0, np.float32)),
    ("model", "net/sequential/dense_2/bias", np.full(1, 3.0, np.float32)),
    ("model", "opt/sgd_2/iteration", np.array(7, np.int64)),
    ("model", "opt/sgd_2/learning_rate", np.array(0.5, np.float32)),
    ("model", "opt/sgd_2/sequential_dense_2_kernel_momentum", np.full((3, 1), 4.0, np.float32)),
    ("model", "opt/sgd_2/sequential_dense_2_bias_momentum", np.full(1, 5.0, np.float32)),
]


def test_an_optimizer_among_variables_is_listed_as_one() -> None:
    names = [spec.name for spec in to_present(state_of(OLD).specs)]
    assert names[:2] == ["model/0:net/sequential/dense_2/kernel", "model/1:net/sequential/dense_2/bias"]
    assert names[2:4] == ["optimizer/0:sgd/sgd_2/iteration", "optimizer/1:sgd/sgd_2/learning_rate"]
    assert [spec.collection for spec in to_present(state_of(OLD).specs)[2:]] == ["optimizer"] * 4


def test_what_is_no_optimizer_stays_where_it_is() -> None:
    lone = [VariableSpec("model", 0, "net/iteration", (), "int64"), VariableSpec("model", 1, "net/gain", (), "int64")]
    assert to_present(lone) == tuple(lone)
    assert to_present(()) == ()


@pytest.mark.parametrize("is_built", [True, False])
def test_a_dict_with_an_optimizer_gets_all_of_it(tmp_path: Path, is_built: bool) -> None:
    import keras

    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    if is_built:
        optimizer.build(net.trainable_variables)
    store = Store(tmp_path)
    loaded = store.load(RUN, store.write(state_of(OLD), about()).manifest.id)
    loaded.load_into({"net": net, "opt": optimizer})
    found = [*net.variables, *optimizer.variables]
    assert [float(np.ravel(one)[0]) for one in found] == [2, 3, 7, 0.5, 4, 5]
    wider = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    with pytest.raises(CheckpointMismatch, match="shape net/"):
        loaded.load_into({"net": wider, "opt": keras.optimizers.SGD(0.1, momentum=0.9)})
