"""What an attempt may go on from."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from keepbest.checkpoint import Store
from keepbest.checkpoint.files import trash
from keepbest.checkpoint.load import Loaded
from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.overrides import Overrides
from keepbest.contract.runs import Segment
from keepbest.stopping import parse
from keepbest.tracking.run import Run
from keepbest.tracking.stopper import Stopper
from tests.support.assignments import make_assignment
from tests.support.states import NOON, RUN, about, make_state
from worker.trainer.resume import resume, set_aside_unknown


def write(store: Store, step: int, segment: int) -> str:
    said = about(at=NOON + timedelta(seconds=step), segment=segment)
    state = replace(make_state(step, step=step), stopper={})  # from before the first validation
    return store.write(state, said).manifest.id


def test_nothing_goes_on_from_what_the_tracker_never_heard_of(tmp_path: Path) -> None:
    """validations: 23 entries instead of 30: the attempt before had dropped where the next one was to go on, and its
    own checkpoints were taken, though its journal had come too late. 'The tracker does not know' what it left."""
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


@pytest.mark.parametrize(("segment", "rate"), [(0, "0.1x"), (1, None)])
def test_a_rate_held_by_the_checkpoint_is_multiplied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, segment: int, rate: str | None
) -> None:
    """The wanted checkpoint was damaged, and a later one taken, to which the attempt before had multiplied its learning
    rate by 0.1 already: then it was 0.01 of what had been asked for."""
    monkeypatch.setattr(Loaded, "resume_into", lambda loaded, model: loaded.to_state(as_tensors=False))
    store = Store(tmp_path)
    wanted = write(store, 500, 0)
    write(store, 600, segment)
    damaged = store.read_manifest(RUN, wanted)[0]
    store.folder.content(damaged.variables[0].object).write_bytes(b"x")
    asked = Overrides(learning_rate="0.1x", max_steps=900)
    given = make_assignment()
    known = given.run.model_copy(update={"id": RUN})
    files = {"digest": "0" * 64, "size_bytes": 1, "written_bytes": 1, "location": "store", "state": "durable"}
    said = {"id": wanted, "run": RUN, "segment": 0, "step": 500, "kind": "last", "at": damaged.at, **files}
    told = {"run": known, "resume": Checkpoint.model_validate(said), "overrides": asked, "next_segment": 2}
    run = Run(RUN, Stopper(parse("patience(3)"), "max"), monitor="val_accuracy", first_segment=2)
    run.opening.overrides = asked
    about = {"start_step": 0, "attempt": 1, "opened_at": NOON}
    first = Segment.model_validate({**about, "number": 0, "reason": "start"})
    second = {**about, "number": 1, "parent": 0, "reason": "resume", "checkpoint": wanted, "overrides": asked}
    segments = [first, Segment.model_validate(second)]
    position = resume(run, store, given.model_copy(update=told), None, lambda: segments)
    assert (position.step, run.opening.overrides) == (600, Overrides(learning_rate=rate, max_steps=900))
