"""Weights that a callback swaps in for measuring are kept and come back; training goes on with the raw ones."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keepbest
from keepbest.checkpoint import Store


def build() -> Any:
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
    model.compile(keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9), "sparse_categorical_crossentropy")
    return model


def data() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 4)).astype("float32")
    return x, (x @ random.normal(size=(4, 3))).argmax(1)


def fit(store: Path, callbacks: Any, epochs: int = 3, model: Any = None, **keep: Any) -> tuple[Any, Any, list[float]]:
    """Train; `callbacks` makes fit's list around the one that keeps."""
    x, y = data()
    model, keeper = model or build(), keepbest.KeepBest("val_loss", patience=50, store=store, **keep)
    history = model.fit(x, y, batch_size=16, shuffle=False, validation_data=(x, y), epochs=epochs, verbose=0,
                        callbacks=callbacks(keeper), initial_epoch=keeper.position.epoch)  # fmt: skip
    return model, keeper, history.history["val_loss"]


def measured(model: Any) -> float:
    x, y = data()
    return float(model.evaluate(x, y, batch_size=16, verbose=0))


@pytest.mark.parametrize("by_epochs", [False, True])
@pytest.mark.parametrize("is_first", [False, True])
def test_what_swap_ema_weights_measured_comes_back(tmp_path: Path, *, by_epochs: bool, is_first: bool) -> None:
    import keras

    def both(keeper: Any) -> list[Any]:
        swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=by_epochs)
        return [swap, keeper] if is_first else [keeper, swap]

    model, keeper, _ = fit(tmp_path, both, restore_best_weights=True)
    assert measured(model) == keeper.best  # fit's own end does not write over it
    assert measured(keepbest.restore(keeper.run.id, store=tmp_path)) == keeper.best
    (last,) = [one for one in Store(tmp_path).manifests(keeper.run.id) if one.step == keeper.best_step]
    assert {one.collection for one in last.variables} == {"model", "optimizer", "measured"}
    assert len(last.averages) == 2


def test_any_callback_that_swaps_is_followed(tmp_path: Path) -> None:
    import keras

    class Zeros(keras.callbacks.Callback):  # type: ignore[misc]
        def on_test_begin(self, logs: Any = None) -> None:
            self.kept = self.model.get_weights()
            self.model.set_weights([np.zeros_like(one) for one in self.kept])

        def on_test_end(self, logs: Any = None) -> None:
            self.model.set_weights(self.kept)

    model, keeper, _ = fit(tmp_path, lambda keeper: [keeper, Zeros()])
    restored = keepbest.restore(keeper.run.id, store=tmp_path)
    assert measured(restored) == keeper.best
    assert not any(one.any() for one in restored.get_weights())
    assert any(one.any() for one in model.get_weights())


def test_an_ordinary_fit_keeps_nothing_twice(tmp_path: Path) -> None:
    _, keeper, _ = fit(tmp_path, lambda keeper: [keeper])
    assert not keeper.swaps._may_swap
    assert all(not one.averages for one in Store(tmp_path).manifests(keeper.run.id))


@pytest.mark.filterwarnings("ignore:Layer InputLayer")
@pytest.mark.parametrize("change", ["lora", "int8"])
@pytest.mark.parametrize("is_known", [True, False])
def test_what_became_trainable_without_a_new_compile_is_said(
    change: str, is_known: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where the fits before were without us. Keras traces anew after `quantize`, for an optimizer that is old."""
    caplog.set_level(logging.WARNING)
    model, (x, y) = build(), data()
    keeper = keepbest.KeepBest("loss", store=False, mode="min")

    def fit(*callbacks: Any) -> None:
        model.fit(x, y, verbose=0, callbacks=list(callbacks))

    model.compile("sgd", "sparse_categorical_crossentropy")
    fit(*[keeper] * is_known)
    kernel = model.layers[0]._kernel.path
    _ = model.layers[0].enable_lora(2) if change == "lora" else model.quantize("int8")
    fit(keeper)
    assert f"no longer trainable: {kernel}" in caplog.text
    assert ("trainable now: " in caplog.text) is (change == "lora")
    assert "call model.compile(…)" in caplog.text
    model.compile("sgd", "sparse_categorical_crossentropy")
    caplog.clear()
    fit(keeper)
    assert "trainable" not in caplog.text
