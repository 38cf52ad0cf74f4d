"""Formats for other programs: each is read back by the library it is meant for, without keepbest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.checkpoint import FORMATS, Store, export, restore
from keepbest.errors import CheckpointMismatch, InvalidInput, NotFound
from tests.support.states import RUN, about

STEPS = 3


@dataclass(frozen=True)
class Kept:
    """A store with one checkpoint, and the model that it was taken of."""

    store: Store
    checkpoint: str
    model: Any
    x: Any

    def export(self, form: Any, to: Path) -> Path:
        return export(self.store, self.store.load(RUN, self.checkpoint), to, form)

    @property
    def answer(self) -> Any:
        return self.model(self.x).numpy()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    from keepbest.looker import describe_network
    from keepbest.snapshot import Variables, capture
    from keepbest.state import Position
    from tests.support.networks import dense, seed_all, train

    seed_all()
    store, model = Store(tmp_path_factory.mktemp("store")), dense()
    train(model, 0, STEPS)
    state = capture(Variables(model), position=Position(STEPS))
    store.write(state, about(network=describe_network(model)))
    return Kept(store, state.id, model, np.random.default_rng(0).random((5, 8), dtype=np.float32))


def test_keras(kept: Kept, tmp_path: Path) -> None:
    import keras

    read = keras.models.load_model(kept.export("keras", tmp_path))
    assert np.array_equal(read(kept.x), kept.answer)
    assert int(read.optimizer.iterations.numpy()) == STEPS


def test_weights(kept: Kept, tmp_path: Path) -> None:
    import keras

    fresh = keras.models.clone_model(kept.model)
    fresh.load_weights(kept.export("weights", tmp_path))
    assert np.array_equal(fresh(kept.x), kept.answer)


def test_saved_model(kept: Kept, tmp_path: Path) -> None:
    import tensorflow as tf

    read = tf.saved_model.load(str(kept.export("savedmodel", tmp_path)))
    assert np.allclose(read.serve(kept.x), kept.answer, atol=1e-6)


def test_tf(kept: Kept, tmp_path: Path) -> None:
    import tensorflow as tf

    from tests.support.networks import dense

    prefix, fresh = kept.export("tf", tmp_path), dense()
    tf.train.Checkpoint(model=fresh, optimizer=fresh.optimizer).read(str(prefix)).expect_partial()
    assert np.array_equal(fresh(kept.x), kept.answer)


def test_arrays_by_name(kept: Kept, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    by_name = load_file(kept.export("safetensors", tmp_path))
    with np.load(kept.export("npz", tmp_path)) as arrays:
        assert sorted(arrays.files) == sorted(by_name)
        assert all(np.array_equal(arrays[name], by_name[name]) for name in by_name)
    assert len(by_name) == len(kept.model.variables) + len(kept.model.optimizer.variables)
    kernel = kept.model.variables[0]
    assert np.array_equal(by_name[f"model/{kernel.path}"], kernel.numpy())


def test_an_unknown_format(kept: Kept, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="keras, weights, tf, savedmodel, safetensors, npz"):
        kept.export("onnx", tmp_path)
    assert len(FORMATS) == 6


def test_restore_makes_the_network_again(kept: Kept) -> None:
    model = restore(RUN, store=kept.store)
    assert np.array_equal(model(kept.x), kept.answer)
    assert int(model.optimizer.iterations.numpy()) == STEPS


def test_restore_into_a_model_of_ones_own(kept: Kept) -> None:
    from tests.support.networks import dense, embedding

    assert np.array_equal(restore(RUN, dense(), step=STEPS, store=kept.store)(kept.x), kept.answer)
    with pytest.raises(CheckpointMismatch, match="does not fit the model"):
        restore(RUN, embedding(), store=kept.store)


def test_a_network_without_a_description_needs_its_code(kept: Kept) -> None:
    from keepbest.snapshot import Variables, capture
    from keepbest.state import Position

    state = capture(Variables(kept.model), position=Position(9))
    kept.store.write(state, about("q" * 12))
    with pytest.raises(NotFound, match="no description") as caught:
        restore("q" * 12, store=kept.store)
    assert "keepbest.restore(run, model)" in str(caught.value.hint)
