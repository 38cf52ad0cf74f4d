"""Checkpoints that older versions wrote still load, where the values are all there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.checkpoint import Loaded, Store
from keepbest.checkpoint.checkpoint import Checkpoint
from keepbest.checkpoint.manifest import Manifest
from keepbest.checkpoint.upgrade import to_present
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


def written_before(arrays: list[tuple[Any, str, Any]], folder: Path) -> Loaded:
    """Return a checkpoint as it is read where its manifest knows nothing of inputs: so an older version left it."""
    store = Store(folder)
    manifest = store.write(state_of(arrays), about()).manifest
    older = Manifest.model_validate(manifest.model_dump(exclude={"inputs", "examples", "incomplete"}))
    assert older.is_older
    assert not store.load(RUN, manifest.id).manifest.is_older
    return Loaded(older, [array for _, _, array in arrays])


def test_an_optimizer_on_an_attribute_is_said_to_begin_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It was not kept. Nobody heard of that, and training went on with other moments."""
    import keras

    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    net.compile(keras.optimizers.SGD(0.1), "mse")
    net.second = keras.optimizers.RMSprop(0.1)
    arrays = [*OLD[:2], ("optimizer", "sgd/iteration", OLD[2][2]), ("optimizer", "sgd/learning_rate", OLD[3][2])]
    written_before(arrays, tmp_path).load_into(net)
    assert "These begin anew: second (RMSprop)" in caplog.text
    assert [int(net.optimizer.iterations), int(net.second.iterations)] == [7, 0]


def test_weights_of_words_without_the_words_are_explained(tmp_path: Path) -> None:
    import keras

    words = keras.layers.StringLookup(output_mode="tf_idf", vocabulary=["a", "b"], idf_weights=[1.0, 2.0])
    net = keras.Sequential([keras.Input((1,), dtype="string"), words, keras.layers.Dense(1)])
    weights: list[tuple[Any, str, Any]] = [
        ("model", "Variable", np.array(3, np.int64)),
        ("model", "Variable", np.ones(3, np.float32)),
    ]
    loaded = written_before([*OLD[:2], *weights], tmp_path)
    with pytest.raises(CheckpointMismatch, match="is in the checkpoint, not in the model") as caught:
        loaded.load_into(net)
    assert "Adapt the lookups" in str(caught.value.hint)
    Checkpoint(loaded.manifest, Store(tmp_path)).load_into(net, partial=True)
    assert [float(np.ravel(one)[0]) for one in net.variables] == [2, 3]
