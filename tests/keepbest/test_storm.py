"""The improvement storm: a best at every validation, and a disk that does not keep up."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from pathlib import Path
from typing import Any

from keepbest.checkpoint import CheckpointInfo, Store, Written
from keepbest.contract.base import new_id
from keepbest.contract.batches import CheckpointDropped, CheckpointDurable, ReportedValidation
from keepbest.contract.workers import Release
from keepbest.snapshots.state import State
from keepbest.tracking.run import Run
from keepbest.tracking.stopper import Stopper
from tests.support.callbacks import Reporter
from tests.support.processes import PATIENCE, wait_until

VALIDATIONS, SNAPSHOTS = 40, 3


class HeldStore(Store):
    """A store whose disk takes nothing until it is told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.go_on, self.began = threading.Event(), 0

    def write(self, state: State, about: CheckpointInfo) -> Written:
        self.began += 1
        assert self.go_on.wait(PATIENCE)
        return super().write(state, about)


def storm(run: Run, store: HeldStore) -> int:
    """Take a best validation a step while the disk stands still; return the most states that were alive at once."""
    import tensorflow as tf

    from keepbest.loop import Loop

    weights, most = tf.Variable(tf.zeros(1000)), 0
    loop = Loop(run, {"weights": weights}, store=store, snapshots=SNAPSHOTS)
    states: weakref.WeakSet[State] = weakref.WeakSet()
    for step in range(1, VALIDATIONS + 1):
        weights.assign_add(tf.ones(1000))
        loop.report_validation(step, 1 / step)
        assert loop.keeper.buffer.best is not None
        states.add(loop.keeper.buffer.best)
        wait_until(lambda: store.began == 1)  # the first one is being written all the while
        most = max(most, len(states))
    return most


def test_only_the_newest_waits_and_the_best_is_on_disk_in_time(tmp_path: Path) -> None:
    uploader, ended, store = Reporter(), list[list[int]](), HeldStore(tmp_path)

    def on_end(release: Release) -> None:
        ended.append([said.step for said in uploader.of(CheckpointDurable)])

    stopper: Any = Stopper({"name": "patience", "params": {"checks": 99}}, "min")
    run = Run(new_id(), stopper, monitor="loss", uploader=uploader, commands=deque(), on_end=on_end)  # type: ignore[arg-type]
    assert storm(run, store) <= SNAPSHOTS + 1 + 1  # the ring's, the one being written, the one that waits
    finishing = threading.Thread(target=run.finish)
    finishing.start()
    finishing.join(0.05)
    assert not ended
    store.go_on.set()
    finishing.join(60)
    assert ended == [[1, VALIDATIONS]]
    told = {validation.checkpoint: validation.step for validation in uploader.of(ReportedValidation)}
    skipped = [told[said.id] for said in uploader.of(CheckpointDropped) if "newer one" in said.reason]
    assert skipped == list(range(2, VALIDATIONS))
    assert store.manifests(run.id)[-1].step == VALIDATIONS
