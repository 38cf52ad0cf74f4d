"""What an attempt may go on from."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from keepbest.checkpoint import Store, trash
from keepbest.contract.checkpoints import Checkpoint
from tests.support.states import NOON, RUN, about, make_state
from tests.worker.assignments import make_assignment
from worker.trainer.resume import set_aside_unknown


def write(store: Store, step: int, segment: int) -> str:
    said = about(at=NOON + timedelta(seconds=step), segment=segment)
    return store.write(make_state(step, step=step), said).manifest.id


def test_nothing_goes_on_from_what_the_tracker_never_heard_of(tmp_path: Path) -> None:
    """looks: 23 entries instead of 30: the attempt before had dropped where the next one was to go on, and its own
    checkpoints were taken, though its journal had come too late. 'The tracker does not know' what it left."""
    store = Store(tmp_path)
    known, unknown, pinned = write(store, 1500, 0), write(store, 2200, 1), write(store, 2300, 1)
    store.folder.pin(RUN, pinned, True)
    given = make_assignment()
    assignment = given.model_copy(update={"run": given.run.model_copy(update={"id": RUN}), "next_segment": 1})
    set_aside_unknown(store, assignment, NOON)
    assert set(store.checkpoints(RUN)) == {known, pinned}
    assert trash.undo(store.folder, RUN) == [unknown]


def test_a_fork_keeps_what_it_begins_at(tmp_path: Path) -> None:
    """A fork failed at its first step: its checkpoint, of its origin's segment 0, was taken for an unknown one."""
    store = Store(tmp_path)
    start = write(store, 200, 0)
    best = write(store, 100, 0)
    given, about = make_assignment(), store.read_manifest(RUN, start)[0]
    files = {"digest": "0" * 64, "size_bytes": 1, "written_bytes": 1, "location": "store", "state": "durable"}
    said = {"id": start, "run": RUN, "segment": 0, "step": 200, "kind": "last", "at": about.at, **files}
    run = given.run.model_copy(update={"id": RUN, "best_checkpoint": best})
    told = {"run": run, "resume": Checkpoint.model_validate(said), "next_segment": 0}
    set_aside_unknown(store, given.model_copy(update=told), NOON)
    assert set(store.checkpoints(RUN)) == {start, best}
