"""The same losses through Keras' own EarlyStopping: where we agree, and where we differ on purpose."""

from __future__ import annotations

import math
from typing import Any

import pytest

from keepbest.stopping import Mode, Patience, ReduceOnPlateau
from tests.support.watch import decisions_of, stop_of, validations_of

keras = pytest.importorskip("keras", reason="Keras is not installed: make install")
NAN = math.nan


class _Model:
    """As much of a model as the callback touches."""

    stop_training = False

    def get_weights(self) -> list[Any]:
        return []


def keras_stop(
    mode: Mode, patience: int, min_delta: float, values: list[float], **more: Any
) -> tuple[int | None, int | None]:
    """Return the epoch after which Keras stops and its best epoch, both counted from one."""
    callback = keras.callbacks.EarlyStopping("v", mode=mode, patience=patience, min_delta=min_delta, **more)
    model = _Model()
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {"v": value})
        if model.stop_training:
            return epoch + 1, callback.best_epoch + 1
    return None, callback.best_epoch + 1


def our_stop(mode: Mode, patience: int, min_delta: float, values: list[float]) -> tuple[int | None, int | None]:
    policy = Patience(mode=mode, checks=patience, min_delta=min_delta)
    last = decisions_of(policy, validations_of(values))[-1]
    return (last.at_step if last.stop else None), last.best_step


@pytest.mark.parametrize(
    ("mode", "patience", "min_delta", "values"),
    [
        ("min", 1, 0.0, [10, 9, 8, 9, 8.9, 8.9]),
        ("min", 2, 0.0, [10, 9, 8, 9, 8.9, 8.9]),
        ("min", 3, 0.0, [10, 9, 8, 9, 8.9, 8.9]),
        ("max", 2, 0.0, [0.5, 0.5, 0.5, 0.5]),
        ("max", 2, 0.25, [1.0, 0.5, 1.5, 1.5, 1.5]),
        ("max", 3, 0.0, [0.1, 0.3, NAN, 0.2, 0.4, NAN, NAN, NAN]),
        ("min", 5, 0.0, [3.0, 2.0, 1.0]),
    ],
)
def test_where_keras_is_right_we_agree(mode: Mode, patience: int, min_delta: float, values: list[float]) -> None:
    assert our_stop(mode, patience, min_delta, values) == keras_stop(mode, patience, min_delta, values)


@pytest.mark.parametrize("start_from", [0, 2])
@pytest.mark.parametrize(
    ("baseline", "values", "is_as_in_keras"),
    [
        (None, [0.1, 0.2, 0.4, 0.4, 0.5, 0.3, 0.2], True),
        (None, [0.1, 0.2, 0.3, 0.4, 0.5], True),
        (0.3, [0.5, 0.4, 0.3, 0.2], True),
        (0.9, [0.5, 0.4, 0.3, 0.3, 0.2], True),
        # Keras never stops at an epoch that is better than all before, even if none was better than the baseline.
        (0.9, [0.1, 0.2, 0.3, 0.4, 0.5], False),
    ],
)
def test_a_baseline_and_a_later_start_count_as_in_keras(
    start_from: int, baseline: float | None, values: list[float], is_as_in_keras: bool
) -> None:
    """Its epochs are counted from 0, our steps from 1."""
    theirs, _ = keras_stop("max", 2, 0.0, values, baseline=baseline, start_from_epoch=start_from)
    policy = Patience(mode="max", checks=2, baseline=baseline, start_from=start_from + 1)
    assert (stop_of(policy, values) == theirs) == is_as_in_keras


@pytest.mark.parametrize(
    ("mode", "patience", "min_delta", "values", "theirs", "ours"),
    [
        # A first NaN stays Keras' best for ever.
        ("max", 2, 0.0, [NAN, 0.5, 0.6, 0.7], (3, 1), (None, 4)),
        # Keras compares in float32: a gain of 1e-9 is a tie.
        ("max", 1, 0.0, [0.98, 0.98 + 1e-9], (2, 1), (None, 2)),
        # Infinity becomes Keras' best and cannot be beaten.
        ("max", 2, 0.0, [0.5, math.inf, 0.6, 0.7], (4, 2), (None, 4)),
        # A gain of exactly min_delta is no improvement to either, but it is our best.
        ("max", 2, 0.25, [1.0, 1.25, 1.25], (3, 1), (3, 2)),
        # Below min_delta Keras drops the best validation along with the improvement; we keep it.
        ("max", 2, 0.1, [0.90, 0.95, 0.99], (3, 1), (3, 3)),
    ],
)
def test_where_we_differ_on_purpose(
    mode: Mode, patience: int, min_delta: float, values: list[float], theirs: Any, ours: Any
) -> None:
    assert keras_stop(mode, patience, min_delta, values) == theirs
    assert our_stop(mode, patience, min_delta, values) == ours


def test_patience_0_means_1_to_keras_and_is_refused_by_us() -> None:
    values = [10.0, 9.0, 9.5, 9.6]
    assert keras_stop("min", 0, 0.0, values) == keras_stop("min", 1, 0.0, values) == (3, 2)
    with pytest.raises(Exception, match="at least 1"):
        Patience(mode="min", checks=0)


class _Optimizer:
    learning_rate = 1.0


def keras_reductions(cooldown: int, min_delta: float, values: list[float], mode: Mode) -> list[int]:
    """Return the epochs, counted from one, at which Keras' ReduceLROnPlateau halves the rate."""
    options: dict[str, Any] = {"factor": 0.5, "patience": 2, "cooldown": cooldown, "min_delta": min_delta}
    callback, model = keras.callbacks.ReduceLROnPlateau("v", mode=mode, **options), _Model()
    model.optimizer = _Optimizer()  # type: ignore[attr-defined]
    callback.set_model(model)
    callback.on_train_begin()
    rates = [1.0]
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {"v": value})
        rates.append(model.optimizer.learning_rate)  # type: ignore[attr-defined]
    return [epoch for epoch in range(1, len(rates)) if rates[epoch] < rates[epoch - 1]]


def our_reductions(cooldown: int, min_delta: float, values: list[float], mode: Mode) -> list[int]:
    policy = ReduceOnPlateau(mode=mode, checks=2, factor=0.5, cooldown=cooldown, min_delta=min_delta)
    return [said.at_step for said in decisions_of(policy, validations_of(values)) if said.rate_factor is not None]


@pytest.mark.parametrize(
    ("cooldown", "min_delta", "mode", "values", "at"),
    [
        (0, 0.0, "min", [3, 2, 2, 2, 2, 2, 1, 1, 1], [4, 6, 9]),
        (0, 0.0, "max", [0.5, NAN, 0.5, 0.6, 0.6, 0.6], [3, 6]),
        (0, 0.25, "max", [1.0, 1.2, 1.2, 1.5, 1.5, 1.5], [3, 6]),
        (0, 0.0, "min", [3, 2, 1], []),
    ],
)
def test_we_reduce_the_rate_where_keras_does(
    cooldown: int, min_delta: float, mode: Mode, values: list[float], at: list[int]
) -> None:
    assert our_reductions(cooldown, min_delta, values, mode) == at
    assert keras_reductions(cooldown, min_delta, values, mode) == at


@pytest.mark.parametrize(("cooldown", "theirs", "ours"), [(1, [3, 5, 7, 9], [3, 6, 9]), (2, [3, 6, 9], [3, 7])])
def test_keras_counts_the_last_validation_of_a_cooldown(cooldown: int, theirs: list[int], ours: list[int]) -> None:
    """So a cooldown of 1 does nothing there; PyTorch's, and ours, is as many validations as it says."""
    values = [1.0] * 9
    assert keras_reductions(cooldown, 0.0, values, "min") == theirs
    assert our_reductions(cooldown, 0.0, values, "min") == ours
