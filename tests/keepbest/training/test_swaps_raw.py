"""Beside weights that a callback swaps in for measuring, training goes on with the raw ones, to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import keepbest
from tests.keepbest.training.fit.test_swapped_weights import data, measured

STEPS = 4


def sgd() -> Any:
    import keras

    return keras.optimizers.SGD(0.5, momentum=0.5, use_ema=True, ema_momentum=0.9)


def several() -> Any:
    import keras

    chosen = keras.optimizers.OptimizerMap(default_optimizer=sgd(), optimizer_map={".*bias": keras.optimizers.Adam()})
    return keras.optimizers.MultiOptimizer(chosen)


def scaled() -> Any:
    import keras

    return keras.optimizers.LossScaleOptimizer(sgd(), initial_scale=8.0)


def build(optimizer: Any, seed: int = 1) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(3, "softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def fit(model: Any, callbacks: Sequence[Any], epochs: int, first: int = 0, **how: Any) -> list[float]:
    x, y = data()
    usual = {"validation_data": (x, y), "batch_size": len(x) // STEPS, "shuffle": False, "verbose": 0}
    history = model.fit(x, y, epochs=epochs, initial_epoch=first, callbacks=list(callbacks), **{**usual, **how})
    return list(history.history.get("val_loss", history.history["loss"]))


def bits(model: Any) -> list[bytes]:
    return [variable.numpy().tobytes() for variable in (*model.variables, *model.optimizer.variables)]


class Back:
    """Makes a callback that goes back to a step at the end of an epoch, once."""

    def __new__(cls, keeper: Any, epoch: int, step: int) -> Any:
        import keras

        def go(done: int, logs: Any) -> None:
            if done == epoch:
                keeper.roll_back(step=step)

        return keras.callbacks.LambdaCallback(on_epoch_end=go)


@pytest.mark.parametrize(
    ("by_epochs", "place", "optimizer"),
    [
        (False, "last", several),
        (True, "first", several),
        (True, "last", sgd),
        (True, "carried", scaled),
    ],
)
def test_training_goes_on_with_the_raw_weights(
    tmp_path: Path, *, by_epochs: bool, place: str, optimizer: Callable[[], Any]
) -> None:
    """Two epochs; with a fresh model the third, the fourth, back, the fourth again: as plain Keras, four in one go.

    A second fit goes on from what was restored, as one of plain Keras does from the averages that it ends with.
    """
    import keras

    def make() -> Any:
        return keras.callbacks.SwapEMAWeights(swap_on_epoch=by_epochs)

    def both(back: int = 9, **said: Any) -> tuple[Any, list[Any]]:
        swap = make()
        carry = [swap] if place == "carried" else []
        keeper = keepbest.KeepBest("val_loss", patience=50, store=tmp_path, carry=carry, **said)
        ours = [keeper, Back(keeper, back, 3 * STEPS)]
        return keeper, {"first": [swap, *ours], "last": [*ours, swap], "carried": ours}[place]

    plain = build(optimizer())
    straight = fit(plain, [swap := make()], 4)
    keeper, callbacks = both()
    assert fit(build(optimizer()), callbacks, 2) == straight[:2]
    again, callbacks = both(back=3, run=keeper.run.id, resume=True, restore_best_weights=True)
    resumed = build(optimizer(), seed=2)
    assert fit(resumed, callbacks, 5) == [straight[2], straight[3], straight[3]]
    assert bits(resumed)[:4] == bits(plain)[:4]
    assert measured(keepbest.restore(again.run.id, store=tmp_path)) == again.best == min(straight)
    assert fit(resumed, callbacks, 6, first=5) == fit(plain, [swap], 5, first=4)
    assert bits(resumed) == bits(plain)


def test_without_a_validation_it_is_what_other_callbacks_measure(tmp_path: Path) -> None:
    """The averages of the epoch's end, and at the last one, which overwrites them, the raw weights all the same."""
    import keras

    class Score(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["score"] = measured(self.model)

    def make() -> list[Any]:
        return [keras.callbacks.SwapEMAWeights(swap_on_epoch=True), Score()]

    def keep(**said: Any) -> Any:
        return keepbest.KeepBest("score", mode="min", patience=9, store=tmp_path, **said)

    plain = build(sgd())
    fit(plain, make(), 3, validation_data=None)
    keeper, model = keep(), build(sgd())
    fit(model, [*make(), keeper], 2, validation_data=None)
    assert measured(keepbest.restore(keeper.run.id, store=tmp_path)) == keeper.best
    again, resumed = keep(run=keeper.run.id, resume=True), build(sgd(), seed=2)
    fit(resumed, [*make(), again], 3, validation_data=None)
    assert again.position.step == 3 * STEPS
    assert bits(resumed) == bits(plain)
