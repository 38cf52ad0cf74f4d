"""A checkpoint that is on disk and that nobody told of: its trainer was killed before it came to that."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from keepbest.checkpoint import Store
from keepbest.contract.batches import CheckpointDropped, CheckpointDurable, SegmentOpened
from keepbest.contract.policies import RetentionSpec
from keepbest.stopping import parse
from keepbest.tracking.history import RunHistory
from keepbest.tracking.opening import OpensAtFirstStep
from keepbest.tracking.run import Run
from keepbest.tracking.stopper import Stopper
from keepbest.training.checkpoint_recorder import CheckpointRecorder
from tests.support.callbacks import Reporter
from tests.support.states import NOON, RUN, about, make_state


class Started(Reporter):
    def start(self) -> None:
        pass


def resumed() -> tuple[Any, Reporter]:
    """A run whose next segment is its second."""
    uploader = Started()
    stopper = Stopper(parse("patience(99)"), "max")
    return Run(RUN, stopper, monitor="val_accuracy", uploader=uploader, first_segment=1), uploader  # type: ignore[arg-type]


def write(store: Store, step: int, segment: int) -> str:
    return store.write(
        make_state(step, step=step), about(at=NOON + timedelta(seconds=step), segment=segment)
    ).manifest.id


def test_what_a_killed_trainer_had_on_disk_is_told_by_the_next(tmp_path: Path) -> None:
    """The tracker does not know checkpoint X of run Y: its trainer was killed between writing it and its journal."""
    store = Store(tmp_path)
    orphan = write(store, 300, segment=0)
    write(store, 400, segment=1)  # of a segment that was never told either: the number is this attempt's now
    run, uploader = resumed()
    archive = CheckpointRecorder(run, store, RetentionSpec())
    archive.open()
    archive.close()
    archive.open()
    (told,) = uploader.of(CheckpointDurable)
    assert (told.id, told.segment, told.step, told.value, told.written_bytes) == (orphan, 0, 300, 0.5, 0)
    assert (told.at, told.digest) == (NOON + timedelta(seconds=300), store.read_manifest(RUN, orphan)[1])
    archive.close()


def test_of_a_step_that_was_trained_again_one_stays(tmp_path: Path) -> None:
    """The first file stayed in the store as the earlier of two equal bests, for as long as the run was there."""
    store = Store(tmp_path)
    orphan = write(store, 300, segment=0)
    run, uploader = resumed()
    archive = CheckpointRecorder(run, store, RetentionSpec())
    archive.open()
    run.recorder.open_segment("resume", 200, 0, None)
    again = archive.write(make_state(300, step=300), "best", 0.5, segment=1)
    assert [said.id for said in uploader.of(CheckpointDropped)] == [orphan]
    assert store.checkpoints(RUN) == [again.id]
    archive.close()


def test_what_was_found_does_not_say_where_a_script_goes_on(tmp_path: Path) -> None:
    store = Store(tmp_path)
    orphan = write(store, 300, segment=0)
    run, uploader = resumed()
    run.begin(OpensAtFirstStep(None, RunHistory()))
    archive = CheckpointRecorder(run, store, RetentionSpec())
    archive.open()
    assert not uploader.of(SegmentOpened) + uploader.of(CheckpointDurable)
    run.go_on_at(200)
    told = [item for item in uploader.items if isinstance(item, SegmentOpened | CheckpointDurable)]
    assert [getattr(item, "start_step", None) for item in told] == [200, None]
    assert [said.id for said in uploader.of(CheckpointDurable)] == [orphan]
    archive.close()


def test_nothing_is_removed_before_that_is_written_down(tmp_path: Path) -> None:
    """fsck: missing runs/X/Y.json: its trainer was killed between removing it and telling of that."""
    store = Store(tmp_path)
    run, uploader = resumed()
    archive = CheckpointRecorder(run, store, RetentionSpec())
    archive.open()
    run.recorder.open_segment("resume", 0, 0, None)
    uploader.writes = False
    first, second = (archive.write(make_state(step, step=step), "best", step / 1000, segment=1) for step in (1, 2))
    assert set(store.checkpoints(RUN)) == {first.id, second.id}
    assert [said.id for said in uploader.of(CheckpointDropped)] == [first.id]
    uploader.writes = True
    third = archive.write(make_state(3, step=3), "best", 0.003, segment=1)
    assert store.checkpoints(RUN) == [third.id]
    assert {said.id for said in uploader.of(CheckpointDropped)} == {first.id, second.id}
    archive.close()
