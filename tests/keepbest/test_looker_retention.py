"""A run's retention, obeyed while it trains: what is on disk after a fit, and what the tracker is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keepbest.checkpoint import Store
from keepbest.contract.batches import BatchReceipt, CheckpointDropped, CheckpointDurable
from keepbest.contract.policies import RetentionSpec
from tests.support.callbacks import Script, heard_run, keep_best


def fit(folder: Path, values: list[float], receipt: BatchReceipt | None = None, **spec: Any) -> tuple[Any, Any]:
    """Train a look a value, each of five steps, every checkpoint written before the next look."""
    run, reporter, _ = heard_run()
    reporter.receipt = receipt
    callback = keep_best(folder, run=run, retention=RetentionSpec(**spec))
    Script().fit(callback, values, send=lambda step: callback.looker.drain(20))
    return run, reporter


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
    run, reporter = fit(tmp_path, values, **spec)
    on_disk = {manifest.id: manifest.step for manifest in Store(tmp_path).manifests(run.id)}
    assert list(on_disk.values()) == left
    durable = {said.id for said in reporter.of(CheckpointDurable)}
    assert durable - {said.id for said in reporter.of(CheckpointDropped)} == set(on_disk)


def test_the_reason_is_told(tmp_path: Path) -> None:
    _, reporter = fit(tmp_path, [2, 1], every_steps=100)
    (dropped,) = reporter.of(CheckpointDropped)
    assert dropped.reason == "Step 10 is on disk; retention keeps the best 1, the last 1 and one each 100 steps."
