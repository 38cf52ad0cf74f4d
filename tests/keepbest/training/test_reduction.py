"""What `reduce_on_plateau` decides, done to the optimizer at the same validation: once, and on record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keepbest.contract.batches import ReportedValidation
from keepbest.errors import InvalidInput
from keepbest.loop import Loop
from keepbest.stopping import parse
from tests.support.callbacks import Reporter, Script, heard_run, keep_best
from tests.support.states import RUN

pytestmark = pytest.mark.usefixtures("closed_writers")

#: Nothing improves after the first validation; a smaller rate is due at validations 3, 5 and 7.
VALUES = [0.5, 0.6, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7]


class Training:
    """A game of two optimizers in a loop that validates at each step."""

    def __init__(self, seed: int, store: Path | None = None) -> None:
        from tests.support.own_loop import Game, make_run

        self.game, self.uploader = Game(seed), Reporter()
        stopper = parse("reduce_on_plateau(checks=2, factor=0.5) | patience(99)")
        run = make_run(RUN, stopper, uploader=self.uploader)
        options: dict[str, Any] = {"store": store or False, "carry": [self.game.draw]}
        self.loop = Loop(run, self.game.kept, *self.game.optimizers, **options)

    def train(self, until: int) -> list[tuple[str, list[float]]]:
        """Return of each step the loss to the last bit, and the learning rates after its validation."""
        done = []
        for step in self.loop:
            loss = self.game.train()
            self.loop.report_validation(step, VALUES[step - 1])
            done.append((loss, self.rates))
            if step == until:
                break
        return done

    @property
    def rates(self) -> list[float]:
        return [float(optimizer.learning_rate) for optimizer in self.game.optimizers]


@pytest.mark.parametrize("half", [3, 4])
def test_a_run_that_is_resumed_reduces_as_one_that_never_ended(tmp_path: Path, half: int) -> None:
    """Broken off between two reductions, and at the very validation of one."""
    expected = Training(seed=3).train(len(VALUES))
    assert [rates[1] for _, rates in expected] == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.0125, 0.0125])
    first = Training(seed=3, store=tmp_path)
    assert first.train(half) == expected[:half]
    first.loop.checkpoint()
    assert first.loop.close()
    other = Training(seed=99, store=tmp_path)
    assert (other.loop.step, other.rates) == (half, expected[half - 1][1])
    other.loop.report_validation(half, VALUES[half - 1])  # told again
    assert other.rates == expected[half - 1][1]
    assert other.train(len(VALUES)) == expected[half:]


def test_going_back_takes_the_reduction_back_and_meets_it_again() -> None:
    made = Training(seed=3)
    expected = made.train(5)
    made.loop.roll_back()
    assert (made.loop.step, made.rates) == (1, expected[0][1])
    assert made.train(5) == expected[1:]


def fit(stop: str, validations: list[float]) -> tuple[Any, list[Any]]:
    """Have Keras' callback validation so; return the script and the decisions on record."""
    run, uploader, _ = heard_run(stop=stop)
    script = Script()
    script.fit(keep_best(run=run), validations)
    return script, [validation.decision for validation in uploader.of(ReportedValidation)]


def test_the_ledger_says_what_the_rate_was_and_is() -> None:
    script, said = fit("reduce_on_plateau(1, factor=0.5, min_rate=3e-4) | patience(9)", [1, 2, 2, 2])
    assert float(script.rate.numpy()) == pytest.approx(3e-4)
    assert [one.rate_factor for one in said] == [None, 0.5, 0.5, 0.5]
    assert [one.verdicts[0].message for one in said[1:]] == [
        "learning rate x0.5: 1 checks without improvement (0.001 -> 0.0005)",
        "learning rate x0.5: 1 checks without improvement (0.0005 -> 0.0003)",
        "learning rate x0.5: 1 checks without improvement (stays 0.0003, the least)",
    ]
    assert said[1].message.endswith("Learning rate x0.5: 1 checks without improvement. The rate: 0.001 -> 0.0005.")


def test_in_the_shadow_no_rate_is_set() -> None:
    script, said = fit("shadow(reduce_on_plateau(1)) | patience(9)", [1, 2, 2])
    assert float(script.rate.numpy()) == pytest.approx(1e-3)
    assert said[1].verdicts[0].message == "would set learning rate x0.1: 1 checks without improvement"


def test_a_kept_validation_has_the_rate_it_went_on_with() -> None:
    """A gain below min_delta is a plateau to the policy, and the best there is."""
    run, _, _ = heard_run(stop="reduce_on_plateau(1, min_delta=0.5)")
    script, callback = Script(), keep_best(run=run)
    script.fit(callback, [1, 0.9])
    callback.roll_back()
    assert callback.keeper.best == (10, 0.9)
    assert float(script.rate.numpy()) == pytest.approx(1e-4)


def test_a_rate_that_cannot_be_set_is_told_before_training() -> None:
    import keras
    import tensorflow as tf

    run, _, _ = heard_run(stop="reduce_on_plateau(1) | patience(9)")
    schedule = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 100, 0.9))
    variable = tf.Variable(0.0)
    for optimizers, says in (((schedule,), "is a schedule"), ((), "no optimizer")):
        with pytest.raises(InvalidInput, match=says) as caught:
            Loop(run, variable, *optimizers, store=False)
        assert caught.value.field == "stopper"
    shadow, _, _ = heard_run(stop="shadow(reduce_on_plateau(1)) | patience(9)")
    Loop(shadow, variable, schedule, store=False)


def test_a_rate_is_never_reduced_to_zero_nor_raised() -> None:
    script, said = fit("reduce_on_plateau(1, factor=1e-38)", [1, 2, 2])
    assert float(script.rate.numpy()) > 0
    script, said = fit("reduce_on_plateau(1, min_rate=0.5)", [1, 2])
    assert float(script.rate.numpy()) == pytest.approx(1e-3)
    assert "stays 0.001, the least" in said[1].message
