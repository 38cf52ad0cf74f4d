"""Of a network that is made again: its optimizers as the run's were, and what it is called with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keepbest
from keepbest.checkpoint import Store, export
from keepbest.checkpoint.inputs import Inputs
from keepbest.checkpoint.rebuild import complete
from keepbest.checkpoint.restore import choose
from keepbest.errors import InvalidInput, NetworkUnknown
from tests.support.rebuilding import X, Y, answer, compiled, dense, train


@pytest.fixture(scope="module")
def halves() -> Any:
    import keras
    import tensorflow as tf

    @keras.saving.register_keras_serializable("rebuilding")
    class Halves(keras.Model):  # type: ignore[misc]
        """Each half is moved by an optimizer of its own."""

        def __init__(self, **more: Any) -> None:
            super().__init__(**more)
            self.hidden, self.out = keras.layers.Dense(3), keras.layers.Dense(1)
            self.second = keras.optimizers.RMSprop(0.02)

        def call(self, inputs: Any) -> Any:
            return self.out(self.hidden(inputs))

        def train_step(self, data: Any) -> dict[str, Any]:
            for optimizer, half in ((self.optimizer, self.hidden), (self.second, self.out)):
                with tf.GradientTape() as tape:
                    loss = self.compute_loss(y=data[1], y_pred=self(data[0], training=True))
                moved = half.trainable_variables
                optimizer.apply(tape.gradient(loss, [one.value for one in moved]), moved)
            return {"loss": loss}

    return Halves


@pytest.fixture(scope="module")
def spelling() -> Any:
    """It takes words: from shapes alone nobody could call it."""
    import keras
    import tensorflow as tf

    @keras.saving.register_keras_serializable("rebuilding")
    class Spelling(keras.Model):  # type: ignore[misc]
        def __init__(self, **more: Any) -> None:
            super().__init__(**more)
            self.lookup = keras.layers.StringLookup(output_mode="multi_hot", max_tokens=4)
            self.out = keras.layers.Dense(1)

        def call(self, inputs: Any) -> Any:
            return self.out(self.lookup(tf.strings.lower(inputs)))

    return Spelling


def test_what_it_is_called_with_is_known_from_the_fit(
    spelling: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    words = tf.constant([["A"], ["b"], ["c"]] * 8)

    def adapted() -> Any:
        model = compiled(spelling())
        model.lookup.adapt(["a", "b"])
        return model

    model, store = adapted(), Store(tmp_path)
    run = train(model, tmp_path, words, validation=None, keep_examples=0)
    assert choose(store, run).inputs == Inputs(shape=(None, 1), dtype="string")
    wanted = answer(model, words)
    for one in (keepbest.restore(run, store=tmp_path), keepbest.restore(run, spelling(), store=tmp_path)):
        assert np.array_equal(answer(one, words), wanted)
    path = export(store, store.load(run, choose(store, run).id), tmp_path / "out", "savedmodel")
    served = tf.saved_model.load(str(path))
    assert np.allclose(served.serve(words), wanted)
    monkeypatch.setattr("keepbest.training.live_model.of_fit", lambda model: None)  # a loop of the user's own, say
    run = train(adapted(), tmp_path, words, validation=None, keep_examples=0)
    with pytest.raises(NetworkUnknown, match="does not name its inputs") as caught:
        keepbest.restore(run, store=tmp_path)
    assert "--into FILE.py:FUNCTION" in str(caught.value.hint)
    with pytest.raises(InvalidInput, match=r"Calling the network as in the run fails.*StringLower"):
        complete(spelling(), choose(store, run).inputs)


def test_an_optimizer_that_nobody_used_is_as_unused_again(tmp_path: Path) -> None:
    """Keras builds that of a nested model at once: so nothing of the run's checkpoint seemed to fit."""
    import keras

    inner = compiled(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]))
    run = train(dense(inner), tmp_path)
    restored = keepbest.restore(run, store=tmp_path, check=True)
    assert [restored.compiled, int(restored.optimizer.iterations)] == [True, 6]
    assert [restored.layers[0].compiled, restored.layers[0].optimizer.built] == [True, False]


def test_an_optimizer_that_moved_a_part_moves_that_part_again(halves: Any, tmp_path: Path) -> None:
    model = compiled(halves())
    run = train(model, tmp_path)
    restored = keepbest.restore(run, store=tmp_path, check=True)
    for one in (model, restored):
        one.train_on_batch(X, Y)
    counts = [[int(one.optimizer.iterations), int(one.second.iterations)] for one in (model, restored)]
    assert counts[0] == counts[1]
    assert counts[0][0] > 1
    assert np.array_equal(answer(model), answer(restored))


def test_an_optimizer_that_sorts_by_other_names_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Paths begin with the name of the network while it is not built, and do not in what is made again."""
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="one"), keras.layers.Dense(1, name="two")])
    chosen = keras.optimizers.OptimizerMap(
        keras.optimizers.Adam(), {model.layers[1].kernel.path: keras.optimizers.SGD()}
    )
    model.compile(keras.optimizers.MultiOptimizer(chosen), "mse")
    run = train(model, tmp_path)
    restored = keepbest.restore(run, store=tmp_path, check=True)
    assert [restored.compiled, restored.optimizer] == [False, None]
    assert "restored uncompiled, without its optimizer, which differs here (optimizer/" in caplog.text
    said = list[str]()
    store = Store(tmp_path)
    path = export(store, store.load(run, choose(store, run).id), tmp_path / "out", "keras", say=said.append)
    assert "without its optimizer" in said[0]
    assert np.array_equal(answer(keras.models.load_model(path)), answer(model))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_network_in_half_precision_gets_its_loss_scale_back(policy: str, tmp_path: Path) -> None:
    """Keras leaves it out of the description: without it, what goes on from there may lose small gradients."""
    import keras

    keras.config.set_dtype_policy(policy)
    try:
        model = dense()
    finally:
        keras.config.set_dtype_policy("float32")
    run = train(model, tmp_path)
    restored = keepbest.restore(run, store=tmp_path)
    kinds = [type(one.optimizer).__name__ for one in (model, restored)]
    assert kinds == ["LossScaleOptimizer"] * 2 if policy == "mixed_float16" else ["Adam"] * 2
    pairs = zip(model.optimizer.variables, restored.optimizer.variables, strict=True)
    assert all(np.array_equal(mine, theirs) for mine, theirs in pairs)
    store = Store(tmp_path)
    file = export(store, store.load(run, choose(store, run).id), tmp_path / "out", "keras")
    assert type(keras.saving.load_model(file).optimizer).__name__ == kinds[0]
