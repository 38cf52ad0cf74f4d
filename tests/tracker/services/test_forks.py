"""Forks over database and store: what they begin at is theirs, whatever becomes of the run that they come from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from keepbest.checkpoint import Store
from keepbest.checkpoint.files import trash
from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.overrides import ForkRequest, Origin, Overrides
from keepbest.contract.runs import Run
from keepbest.errors import Conflict, InvalidInput, NotFound
from keepbest.stopping import parse
from tests.support.states import about, make_state
from tests.support.store import NOW, add_checkpoint, begin, claim, kinds, later, release, submit
from tracker import db, models
from tracker.db import Engine
from tracker.scheduler import jobs
from tracker.services import forks as fork_service
from tracker.services import gc
from tracker.settings import TrackerSettings
from tracker.store import checkpoints, deletions, forks, moves, run_summary, runs

#: Step 300 was written when the best was at 200.
VALUES = {100: 0.5, 200: 0.9, 300: None}
BEST = {100: 100, 200: 200, 300: 200}


@pytest.fixture
def source(engine: Engine, store: Store) -> tuple[str, dict[int, str]]:
    """A living run with three checkpoints, in the database and in the store."""
    ids = {}
    with db.write(engine) as conn:
        submit(conn, mode="max", name="first", tags=["a"])
        run = begin(conn, claim(conn))
        for step, value in VALUES.items():
            state = make_state(step, step=step)
            state.stopper["policy"].update(best_step=BEST[step], best_value=VALUES[BEST[step]])
            written = store.write(state, about(run.id, value=value, kind="best" if value else "last"))
            ids[step] = add_checkpoint(conn, run, step=step, value=value, id=written.manifest.id)  # type: ignore[arg-type]
        run_summary._set(conn, run, {"best_checkpoint": ids[200], "best_value": 0.9, "best_step": 200})
    return run.id, ids


class Forker:
    """Forks, and looks at forks."""

    def __init__(self, settings: TrackerSettings, engine: Engine, store: Store) -> None:
        self.settings, self.engine, self.store = settings, engine, store

    def fork(self, run: str, *, key: str | None = None, **asked: Any) -> Run:
        request = ForkRequest.model_validate(asked)
        return fork_service.fork(self.settings, self.engine, run, request, user="ada", key=key, now=NOW)

    def checkpoints(self, run: str) -> list[Checkpoint]:
        with db.read(self.engine) as conn:
            return checkpoints.list_checkpoints(conn, runs.get_run(conn, run))

    def collect(self, hours: float = 0) -> None:
        jobs.collect_checkpoints(self.settings, self.engine, NOW + timedelta(hours=hours))


@pytest.fixture
def forker(settings: TrackerSettings, engine: Engine, store: Store) -> Forker:
    return Forker(settings, engine, store)


def test_a_fork_begins_at_the_best_of_a_living_run(forker: Forker, source: tuple[str, dict[int, str]]) -> None:
    run, ids = source
    made = forker.fork(run, learning_rate="0.1x", max_steps=5000, project="other")
    assert made.spec.forked_from == Origin(run=run, checkpoint=ids[200], step=200)
    assert (made.state, made.project, made.name, made.tags) == ("queued", "other", "first-fork-1", ["a"])
    assert (made.step, made.best_step, made.best_value, made.steps_at_most) == (200, 200, 0.9, 5000)
    (own,) = forker.checkpoints(made.id)
    assert (own.id, own.is_best, own.ghost, own.value) == (made.best_checkpoint, True, False, 0.9)
    with db.write(forker.engine) as conn:
        assert kinds(conn, runs.get_run(conn, made.id))[-1] == "run.created"
        taken = claim(conn)
        assert taken.resume is not None
        assert (taken.resume.id, taken.resume.run, taken.parent_segment, taken.next_segment) == (
            own.id,
            made.id,
            None,
            0,
        )
        assert taken.overrides == Overrides(learning_rate="0.1x", max_steps=5000)
        begin(conn, taken)
        release(conn, taken, "handed_back")
        again = claim(conn)
    assert (again.resume and again.resume.id, again.parent_segment, again.next_segment) == (own.id, 0, 1)
    loaded, origin = forker.store.load(made.id, own.id), forker.store.load(run, ids[200])
    assert all(np.array_equal(a, b) for a, b in zip(loaded.arrays, origin.arrays, strict=True))


def test_a_fork_keeps_what_it_needs_of_its_source(forker: Forker, source: tuple[str, dict[int, str]]) -> None:
    """It begins where the best was another one: both are its own. Dropped by the trainer, deleted, collected."""
    run, ids = source
    made = forker.fork(run, to="last")
    assert [(one.step, one.kind) for one in forker.checkpoints(made.id)] == [(300, "last"), (200, "best")]
    assert (made.best_step, made.best_value) == (200, 0.9)
    assert forker.store.drop(run, ids[300])
    with db.write(forker.engine) as conn:
        living = runs.get_run(conn, run)
        conn.execute(update(models.RunTable).where(models.RunTable.pk == living.pk).values(state="failed"))
        deletions.delete_run(conn, runs.get_run(conn, run), user="ada", now=NOW)
    forker.collect()
    forker.collect(hours=25)
    assert forker.store.checkpoints(run) == []
    for own in forker.checkpoints(made.id):
        assert forker.store.load(made.id, own.id).step == own.step
    with db.write(forker.engine) as conn:
        found = claim(conn).resume
    assert found is not None
    assert (found.step, found.run) == (300, made.id)


def test_one_request_is_one_fork(forker: Forker, source: tuple[str, dict[int, str]]) -> None:
    run, ids = source
    made = forker.fork(run, key="k", checkpoint=ids[100])
    assert forker.fork(run[:5], key="k", checkpoint=ids[100]).id == made.id
    with db.write(forker.engine) as conn:
        moves.move_to_project(conn, runs.get_run(conn, made.id), "letters", user="ada", now=NOW)
    assert forker.fork(run, key="k", checkpoint=ids[100]).project == "letters"
    assert forker.store.folder.runs() == sorted([run, made.id])
    for other in ({"checkpoint": ids[200]}, {"checkpoint": ids[100], "name": "x"}):
        with pytest.raises(Conflict, match="another request"):
            forker.fork(run, key="k", **other)


def test_killed_before_it_is_queued_a_fork_leaves_nothing(
    forker: Forker, source: tuple[str, dict[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = source
    with monkeypatch.context() as patch:
        patch.setattr(forks, "reveal", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            forker.fork(run, key="k")
    assert len(forker.store.folder.runs()) == 2
    forker.collect()
    assert [name for name in forker.store.folder.runs() if forker.store.checkpoints(name)] == [run]
    assert forker.fork(run, key="k").state == "queued"


def test_what_cannot_be_forked(forker: Forker, source: tuple[str, dict[int, str]]) -> None:
    run, ids = source
    with pytest.raises(NotFound, match="there is step 100, 200, 300"):
        forker.fork(run, step=150)
    with pytest.raises(InvalidInput, match="must be more"):
        forker.fork(run, max_steps=200)
    forker.store.drop(run, ids[100])
    with pytest.raises(NotFound, match="not in the tracker's store"):
        forker.fork(run, step=100)
    assert forker.store.folder.runs() == [run]


def test_a_deleted_run_comes_back_with_what_the_trash_holds(forker: Forker, source: tuple[str, dict[int, str]]) -> None:
    run, _ = source
    made = forker.fork(run, to="last")
    with db.write(forker.engine) as conn:
        deletions.delete_run(conn, runs.get_run(conn, made.id), user="ada", now=NOW)
    forker.collect()
    assert forker.store.checkpoints(made.id) == []
    back = gc.undelete(forker.settings, forker.engine, made.id[:6], user="ada", now=later(9))
    assert (back.run.state, len(back.back), back.gone) == ("cancelled", 2, [])
    assert len(forker.store.checkpoints(made.id)) == 2
    forker.collect(hours=25)
    assert len(forker.store.checkpoints(made.id)) == 2
    with db.write(forker.engine) as conn:
        deletions.delete_run(conn, runs.get_run(conn, made.id), user="ada", now=NOW)
    forker.collect()
    forker.collect(hours=25)
    back = gc.undelete(forker.settings, forker.engine, made.id, user="ada", now=later(9))
    assert (len(back.back), len(back.gone), back.run.best_checkpoint) == (0, 2, None)
    with pytest.raises(NotFound, match="no deleted run"):
        gc.undelete(forker.settings, forker.engine, made.id, user="ada", now=later(9))


def test_what_was_brought_back_while_garbage_was_collected_stays(
    forker: Forker, source: tuple[str, dict[int, str]]
) -> None:
    """The collector had chosen it, and took it out after it was brought back: the next one puts it back."""
    run, ids = source
    trash.put(forker.store.folder, run, ids[100], NOW)
    forker.collect()
    assert ids[100] in forker.store.checkpoints(run)


def test_a_fork_of_a_sweeps_run_is_no_try_of_it(
    forker: Forker, engine: Engine, source: tuple[str, dict[int, str]]
) -> None:
    run, _ = source
    with db.write(engine) as conn:
        spec = {**runs.get_run(conn, run).spec, "trial": {"sweep": run, "number": 1}}
        conn.execute(update(models.RunTable).where(models.RunTable.id == run).values(spec=spec))
    assert forker.fork(run).spec.trial is None


def test_a_fork_pauses_at_no_rung_of_the_sweep(
    forker: Forker, engine: Engine, source: tuple[str, dict[int, str]]
) -> None:
    run, _ = source
    with db.write(engine) as conn:
        stopper = parse("patience(3) | successive_halving(100)")
        spec = {**runs.get_run(conn, run).spec, "stopper": stopper}
        conn.execute(update(models.RunTable).where(models.RunTable.id == run).values(spec=spec))
    fork = forker.fork(run)
    with db.write(engine) as conn:
        taken = claim(conn)
    assert (taken.run.id, taken.promotions) == (fork.id, None)
    assert taken.run.spec.stopper.name == "any_of"
