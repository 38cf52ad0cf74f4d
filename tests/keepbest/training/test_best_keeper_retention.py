"""A run's retention, obeyed while it trains: what is on disk after a fit, and what the tracker is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keepbest.checkpoint import Store
from keepbest.contract.batches import BatchReceipt, CheckpointDropped, CheckpointDurable, SegmentOpened
from keepbest.contract.policies import RetentionSpec
from keepbest.status import CommandKind
from tests.support.callbacks import Script, command, heard_run, keep_best, sender


def fit(folder: Path, values: list[float], receipt: BatchReceipt | None = None, **spec: Any) -> tuple[Any, Any]:
    """Train a validation a value, each of five steps, every checkpoint written before the next validation."""
    run, uploader, _ = heard_run()
    uploader.is_offline, uploader.receipt = receipt is None, receipt
    callback = keep_best(folder, run=run, retention=RetentionSpec(**spec))
    Script().fit(callback, values, send=lambda step: callback.keeper.drain(20))
    return run, uploader


@pytest.mark.parametrize(
    ("values", "spec", "left"),
    [
        ([3, 1, 2, 2], {}, [10]),
        ([3, 2, 1, 2], {"best": 2}, [10, 15]),
        ([1, 2, 2, 2, 2, 2], {"every_steps": 10}, [5, 10, 20, 30]),
        ([4, 3, 2, 1], {"every_steps": 10}, [10, 20]),
    ],
)
def test_what_is_left_is_what_was_not_told_as_dropped(
    tmp_path: Path, values: list[float], spec: dict[str, Any], left: list[int]
) -> None:
    run, uploader = fit(tmp_path, values, **spec)
    on_disk = {manifest.id: manifest.step for manifest in Store(tmp_path).manifests(run.id)}
    assert list(on_disk.values()) == left
    durable = {said.id for said in uploader.of(CheckpointDurable)}
    assert durable - {said.id for said in uploader.of(CheckpointDropped)} == set(on_disk)


def test_the_trackers_resume_point_stays_until_it_names_another(tmp_path: Path) -> None:
    """A trainer was killed between dropping 50 from disk and telling of 100: the tracker named 50, which was gone."""
    told = BatchReceipt(accepted=True, last_number=1)
    run, uploader, _ = heard_run()
    uploader.is_offline, uploader.receipt = False, told
    callback = keep_best(tmp_path, run=run)

    def answer(step: int) -> None:
        callback.keeper.drain(20)
        if step == 16:  # the tracker has heard of the first three
            named = uploader.of(CheckpointDurable)[-1].id
            uploader.receipt = told.model_copy(update={"resume_checkpoint": named})

    Script().fit(callback, [5, 4, 3, 2], send=answer)
    assert [manifest.step for manifest in Store(tmp_path).manifests(run.id)] == [15, 20]


def test_after_a_roll_back_each_stretch_of_steps_is_written_anew(tmp_path: Path) -> None:
    """It had got to 20 before: 10 and 20 come once more."""
    run, uploader, commands = heard_run()
    callback = keep_best(tmp_path, run=run, retention=RetentionSpec(every_steps=10))
    send = sender(commands, {23: command(CommandKind.ROLL_BACK, to="best")})
    Script().fit(callback, [1, 2, 2, 2, 2, 2, 2, 2], send=lambda step: (callback.keeper.drain(20), send(step)))
    (segment,) = uploader.of(SegmentOpened)
    assert (segment.start_step, callback.position.step) == (5, 22)
    assert [said.step for said in uploader.of(CheckpointDurable)] == [5, 10, 20, 12, 22]


def test_the_reason_is_told(tmp_path: Path) -> None:
    _, uploader = fit(tmp_path, [2, 1], every_steps=100)
    (dropped,) = uploader.of(CheckpointDropped)
    assert dropped.reason == "Step 10 is on disk; retention keeps the best 1, the last 1 and one each 100 steps."
