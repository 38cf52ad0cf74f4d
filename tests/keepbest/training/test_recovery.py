"""`recover` under Keras' `fit`: real trainings that break, go back within their step, and go on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.contract.batches import ReportedValidation, SegmentOpened
from keepbest.errors import InvalidInput
from keepbest.stopping import Recovery
from tests.support.callbacks import heard_run, keep_best

pytestmark = pytest.mark.usefixtures("closed_writers")

#: Steps of an epoch, each with a validation at its end.
EPOCH = 5


class Fit:
    """A small network on eight examples; the batches at the steps in `poison` hold a NaN."""

    def __init__(
        self,
        stop: str = "recover(learning_rate=0.5x, times=2)",
        *poison: int,
        rate: float = 0.1,
        store: Path | bool = False,
        optimizer: Any = None,
        hides: bool = False,
        **arguments: Any,
    ) -> None:
        import keras

        keras.utils.set_random_seed(3)
        layers = [keras.layers.Input((2,)), keras.layers.Dense(3, "relu" if hides else "tanh"), keras.layers.Dense(1)]
        self.model = keras.Sequential(layers)
        self.optimizer = optimizer or keras.optimizers.SGD(rate, momentum=0.9)
        self.model.compile(self.optimizer, "mse", metrics=["mae"])
        self.poison, self.drawn = poison, 0
        self.run, self.heard, _ = heard_run(stop=stop)
        self.kept = keep_best(store, run=self.run, **arguments)
        self.losses: list[float] = []
        self.bits_at: dict[int, list[bytes]] = {}

    def train(self, epochs: int, *callbacks: Any) -> Any:
        import keras

        noting = keras.callbacks.LambdaCallback(on_train_batch_end=self._note)
        options: dict[str, Any] = {"validation_data": self.clean, "callbacks": [*callbacks, self.kept, noting]}
        return self.model.fit(self._draw(), epochs=epochs, steps_per_epoch=EPOCH, shuffle=False, verbose=0, **options)

    @property
    def clean(self) -> Any:
        x = np.linspace(-1, 1, 16, dtype="float32").reshape(8, 2)
        return x, x[:, :1] - x[:, 1:] * 2

    @property
    def bits(self) -> list[bytes]:
        return [np.asarray(item.value).tobytes() for item in [*self.model.variables, *self.optimizer.variables]]

    @property
    def records(self) -> list[ReportedValidation]:
        return self.heard.of(ReportedValidation)

    @property
    def recoveries(self) -> list[tuple[int, int]]:
        return [(item.step, item.to) for item in self.run.stopper.recoveries]

    def _draw(self) -> Iterator[Any]:
        x, y = self.clean
        while True:
            self.drawn += 1
            batch = np.roll(x, self.drawn, 0) + self.drawn * 0.01
            yield (np.full_like(x, math.nan) if self.drawn in self.poison else batch), np.roll(y, self.drawn, 0)

    def _note(self, batch: int, logs: Any) -> None:
        self.losses.append(logs["loss"])
        self.bits_at[self.kept.position.step] = self.bits


def test_a_broken_batch_goes_back_within_its_step() -> None:
    fit = Fit("patience(99) | recover(learning_rate=0.5x, times=2, to=1)", 13)
    history = fit.train(4).history

    assert fit.recoveries == [(13, 10)]
    assert fit.kept.position.step == 17  # step 13 became step 10, and seven batches were left
    assert float(fit.optimizer.learning_rate.value) == pytest.approx(0.05)
    assert all(map(math.isfinite, history["loss"] + history["mae"]))
    row = next(item for item in fit.records if item.step == 13)
    assert row.decision.message == (
        "Went back from 13 to 10, rate 0.1 -> 0.05, 1 of 2: the loss of the batch is nan. "
        "The data of this fit go on where they are."
    )
    assert (row.value, row.segment, row.decision.goes_back) == (None, 0, "the loss of the batch is nan")
    opened = fit.heard.of(SegmentOpened)[-1]
    assert (opened.reason, opened.start_step, opened.parent) == ("recover", 10, 0)
    assert float(opened.overrides.learning_rate) == np.float32(0.05)


def test_what_comes_back_is_the_state_to_the_last_bit() -> None:
    fit = Fit("recover(learning_rate=1x, to=1)", 13)
    at_end: list[list[bytes]] = []
    import keras

    seen = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: at_end.append(fit.bits))
    steps: list[list[bytes]] = []
    after = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: steps.append(fit.bits))
    fit.train(3, seen, after)

    assert fit.recoveries == [(13, 10)]
    assert steps[13] == at_end[1]  # the batch after the broken one


def test_a_training_that_does_not_break_has_the_same_bits() -> None:
    plain, watched = Fit("patience(99)"), Fit("patience(99) | recover(on=non_finite | spike(z=50, window=10), every=2)")
    histories = [fit.train(4).history for fit in (plain, watched)]

    assert watched.bits == plain.bits
    assert histories[0] == histories[1]
    assert watched.recoveries == []


def test_a_rate_too_high_goes_back_to_the_start_with_less() -> None:
    fit = Fit("recover(learning_rate=0.01x, times=2)", rate=1e6)
    fit.train(3)

    assert len(fit.recoveries) == 2
    assert fit.recoveries[0][1] == 0
    assert float(fit.optimizer.learning_rate.value) == pytest.approx(100.0, rel=1e-3)
    assert fit.kept.stop_reason in (None, "unrecoverable")


def test_after_the_last_recovery_the_best_is_restored() -> None:
    fit = Fit("recover(times=1)", 8, 11)
    fit.train(9)

    assert fit.recoveries == [(8, 5)]
    assert (fit.kept.stop_reason, fit.kept.best_step) == ("unrecoverable", fit.run.stopper.best[0])
    assert fit.model.evaluate(*fit.clean, verbose=0, return_dict=True)["loss"] == pytest.approx(fit.kept.best)


def test_breaking_again_before_a_validation_goes_further_back() -> None:
    fit = Fit("recover(learning_rate=1x, times=3, to=1)", 13, 15, 17)
    fit.train(5)

    assert fit.recoveries == [(13, 10), (12, 5), (7, 0)]


def test_a_state_is_taken_so_many_steps_before_the_breakage() -> None:
    fit = Fit("recover(learning_rate=1x, to=4, every=1)", 13, snapshots=9)
    fit.train(4)

    assert fit.recoveries == [(13, 9)]


def test_a_spike_goes_back_although_it_is_finite() -> None:
    fit = Fit("recover(learning_rate=1x, to=1, on=spike(z=1000, window=10))")
    x, y = fit.clean
    draw = fit._draw()
    stretched: Any = lambda: ((x * 1e6, y * 1e6) if fit.drawn == 12 else pair for pair in draw)  # noqa: E731
    fit._draw = stretched  # type: ignore[method-assign]
    fit.train(4)

    assert fit.recoveries == [(12, 10)]
    assert "robust deviations above" in next(item for item in fit.records if item.step == 12).decision.message


def test_weights_that_relu_hides_go_back_at_the_validation() -> None:
    fit = Fit("recover(learning_rate=1x)", 12, hides=True)
    fit.train(5)

    assert len(fit.recoveries) == 1
    assert fit.recoveries[0][1] <= 10
    assert all(np.isfinite(item).all() for item in fit.model.get_weights())


def test_a_step_that_loss_scaling_skips_is_no_breakage() -> None:
    import keras

    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=2.0**10)
    fit = Fit("recover()", 7, optimizer=scaled)
    history = fit.train(3).history

    assert fit.recoveries == []
    assert float(scaled.dynamic_scale.value) == 2.0**9
    assert all(map(math.isfinite, history["loss"]))


def test_gradients_are_clipped_by_a_step_traced_anew() -> None:
    fit = Fit("recover(learning_rate=1x, global_clipnorm=0.001)", 13, rate=0.5)
    fit.train(4)

    assert fit.optimizer.global_clipnorm == 0.001
    assert any("gradients clipped to 0.001" in item.decision.message for item in fit.records)


def test_what_memory_no_longer_holds_comes_from_disk(tmp_path: Path) -> None:
    import keras

    fit = Fit("recover(learning_rate=1x, to=1)", 13, store=tmp_path)

    def forget(epoch: int, logs: Any) -> None:
        if epoch == 2:
            fit.kept.keeper.buffer.forget()

    fit.train(4, keras.callbacks.LambdaCallback(on_epoch_begin=forget))

    assert fit.recoveries == [(13, 5)]  # the only best: the others lay in memory only
    assert all(map(math.isfinite, fit.losses[-5:]))


def test_the_count_goes_on_in_another_process(tmp_path: Path) -> None:
    fit = Fit("recover(times=2)", 8, store=tmp_path)
    fit.train(2)
    assert fit.recoveries == [(8, 5)]

    again = keep_best(tmp_path, run=fit.run.id, stopper="recover(times=2)", resume=True)
    other = Fit("recover(times=2)")
    other.kept, other.run = again, again.run
    other.train(3)

    assert again.run.stopper.recoveries == (Recovery(8, 5),)


def test_a_schedule_is_refused_before_the_first_step() -> None:
    import keras

    schedule = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 100, 0.9))
    fit = Fit("recover()", optimizer=schedule)

    with pytest.raises(InvalidInput, match="is a schedule") as refused:
        fit.train(1)
    assert "recover(learning_rate=1x)" in str(refused.value.hint)
