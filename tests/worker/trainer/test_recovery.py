"""`recover` in a worker: the same jump, another order of the data, and a resume that is exact all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.status import StopReason
from keepbest.stopping import Recovery, parse
from keepbest.training.spec import Training

keras = pytest.importorskip("keras", reason="needs TensorFlow: make install")

from tests.support.rig import Rig, build  # noqa: E402
from worker.trainer.batches import DataOrder, make_feed  # noqa: E402
from worker.trainer.fit import Ending  # noqa: E402

STOP = parse("patience(99) | recover(learning_rate=0.5x, times=2, to=1)")


def poison(rig: Rig) -> None:
    """Make the weights NaN: the loss of the next step shows it."""
    weight = rig.training.model.trainable_variables[0]
    weight.assign(weight * np.nan)


def broken_at(step: int, folder: Path, **more: Any) -> Rig:
    rig = Rig(folder, stopper=STOP, **more)
    rig.at[step] = lambda: poison(rig)
    return rig


def test_a_broken_run_goes_back_and_reaches_its_end(tmp_path: Path) -> None:
    rig = broken_at(23, tmp_path)

    assert rig.train() is Ending.STOPPED
    assert rig.run.stopper.recoveries == (Recovery(24, 20),)
    assert [step for step, _ in rig.validations] == [10, 20, 24, 30, 40]
    assert float(rig.training.model.optimizer.learning_rate.value) == pytest.approx(0.005)


def test_after_a_recovery_a_resume_has_the_same_bits(tmp_path: Path) -> None:
    straight = broken_at(23, tmp_path / "straight")
    straight.train()
    first = broken_at(23, tmp_path / "parts")
    first.at[33] = first.hand_back.set
    assert first.train() is Ending.HANDED_BACK
    first.leave()
    second = Rig(tmp_path / "parts", run=first.run.id, stopper=STOP)

    assert second.resume() is Ending.STOPPED
    assert second.run.stopper.recoveries == (Recovery(24, 20),)
    assert second.digest == straight.digest


def test_a_value_that_is_nan_goes_back_at_its_validation(tmp_path: Path) -> None:
    rig = Rig(tmp_path, stopper=parse("recover(learning_rate=1x, to=1)"))
    rig.at[20] = lambda: poison(rig)  # after the last step of the stretch: only the validation sees it

    assert rig.train() is Ending.STOPPED
    assert rig.run.stopper.recoveries == (Recovery(20, 10),)
    assert [step for step, _ in rig.validations] == [10, 20, 20, 30, 40]


def test_a_run_that_breaks_too_often_ends_unrecoverable(tmp_path: Path) -> None:
    rig = broken_at(23, tmp_path)
    rig.at[25] = rig.at[27] = lambda: poison(rig)

    assert rig.train() is Ending.STOPPED
    assert rig.run.decision is not None
    assert rig.run.decision.reason is StopReason.UNRECOVERABLE


def test_shuffled_data_come_in_another_order_after_a_recovery() -> None:
    feed = make_feed(build(), seed=7)
    orders = [labels(feed.batches_from(5, order)) for order in (DataOrder(), DataOrder(1, 4), DataOrder(2, 4))]

    assert feed.reorders
    assert len({tuple(order) for order in orders}) == 3
    assert labels(feed.batches_from(5, DataOrder(1, 4))) == orders[1]


def test_other_data_go_on_behind_the_broken_batch() -> None:
    model = build().model
    plain = Training(model, (np.arange(64.0).reshape(-1, 1), np.arange(64)), None, batch_size=8, shuffle=False)
    feed = make_feed(plain, seed=7)

    assert not feed.reorders
    assert labels(feed.batches_from(2, DataOrder.after([Recovery(5, 2)])))[0] == 40  # the batch of step 5 + 1


def labels(batches: Any) -> list[int]:
    return [int(label) for label in next(iter(batches))[1]]
