"""The learning rate in a state: numbers and multiples, optimizers that keep one and such that do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keepbest.errors import InvalidInput
from keepbest.snapshots.snapshot import ModelVariables, capture
from keepbest.snapshots.state import Position, State


@pytest.fixture(scope="module")
def plain() -> tuple[Any, State]:
    return kept()


def kept(optimizer: Any = None) -> tuple[Any, State]:
    """Return a model with this optimizer, or Adam at 0.01, and its state."""
    from tests.support.networks import dense

    model = dense(optimizer)
    return model, capture(ModelVariables(model), position=Position(7))


NUMBERS = [("3e-5", 3e-5), ("0.5", 0.5), ("1.", 1.0), (".5", 0.5), ("2E-3", 2e-3)]
MULTIPLES = [("0.1x", 1e-3), ("10x", 0.1), ("1x", 0.01), ("1e-2x", 1e-4), (".5x", 0.005)]


@pytest.mark.parametrize(("asked", "found"), [*NUMBERS, *MULTIPLES])
def test_a_number_or_a_multiple(plain: tuple[Any, State], asked: str, found: float) -> None:
    from keepbest.training.learning_rate import rate_in, with_rate

    model, state = plain
    changed = with_rate(state, model, asked)
    assert rate_in(changed, model) == pytest.approx(found, rel=1e-7)
    assert rate_in(state, model) == float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.01)
    rows = zip(state.specs, state.values, changed.values, strict=True)
    assert [spec.path for spec, old, new in rows if old is not new] == [model.optimizer.learning_rate.path]
    assert (changed.position, changed.specs, changed.id != state.id) == (state.position, state.specs, True)


@pytest.mark.parametrize("asked", ["0", "0x", "1e-99", "1e-60x", "1e99", "1e99x", "1e999"])
def test_what_no_optimizer_can_hold(plain: tuple[Any, State], asked: str) -> None:
    from keepbest.training.learning_rate import with_rate

    with pytest.raises(InvalidInput, match="lies above zero") as caught:
        with_rate(plain[1], plain[0], asked)
    assert (caught.value.field, caught.value.hint) == ("learning_rate", "At step 7 it is 0.01.")


@pytest.mark.parametrize("kind", ["scaled", "averaged", "SGD"])
def test_optimizers_inside_others_and_of_other_kinds(kind: str) -> None:
    """Loss scaling wraps the optimizer that has the rate."""
    import keras

    from keepbest.training.learning_rate import rate_in, with_rate

    inner = keras.optimizers.SGD(0.1) if kind == "SGD" else keras.optimizers.Adam(0.01, use_ema=kind == "averaged")
    model, state = kept(keras.optimizers.LossScaleOptimizer(inner) if kind == "scaled" else inner)
    ModelVariables(model).assign(dict(enumerate(with_rate(state, model, "0.1x").values)))
    assert float(inner.learning_rate.numpy()) == pytest.approx(rate_in(state, model) / 10)


@pytest.mark.parametrize("asked", ["3e-5", "0.1x"])
def test_a_schedule_is_refused(asked: str) -> None:
    import keras

    from keepbest.training.learning_rate import with_rate

    optimizer = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 100, 0.9))
    model, state = kept(optimizer)
    with pytest.raises(InvalidInput, match="schedule") as caught:
        with_rate(state, model, asked)
    assert "without a learning rate" in str(caught.value.hint)


def test_a_model_without_an_optimizer() -> None:
    import keras

    from keepbest.training.learning_rate import with_rate

    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    state = capture(ModelVariables(model), position=Position(7))
    with pytest.raises(InvalidInput, match="no optimizer"):
        with_rate(state, model, "0.1x")


def test_the_rate_is_written_out() -> None:
    from keepbest.contract.overrides import Overrides

    given = [3e-5, 1, "0.1x", np.float64(0.25)]
    assert [Overrides(learning_rate=one).learning_rate for one in given] == ["3e-05", "1.0", "0.1x", "0.25"]  # type: ignore[arg-type]
    for wrong in ("-1", "x", "1e5000", "0.1 x", "nan", "1x0", float("nan"), True):
        with pytest.raises(ValueError, match="learning_rate"):
            Overrides(learning_rate=wrong)  # type: ignore[arg-type]
