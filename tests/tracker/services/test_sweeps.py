"""The scheduler's job for sweeps: tops up, ends, goes on after a restart, and makes nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from keepbest.contract.sweeps import SweepRequest, SweepRuns
from tests.support.store import CNN, NOW, begin, claim, hello, later, release
from tracker import db
from tracker.db import Engine
from tracker.models import RunTable, WorkerTable
from tracker.scheduler import jobs
from tracker.services.sweeps import HOPELESS, top_up
from tracker.settings import TrackerSettings
from tracker.store.sweeps import due, sweeps
from tracker.store.sweeps.due import Due


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> TrackerSettings:
    return TrackerSettings(dir=tmp_path, database_url=database_url)


def begin_sweep(engine: Engine, **said: Any) -> str:
    space = {"learning_rate": {"kind": "log_uniform", "low": 1e-5, "high": 0.1}}
    run = {"source": {"kind": "recipe", "name": "hvass-cnn"}}
    asked = SweepRequest.model_validate({"run": run, "space": space, "runs": 4, "at_once": 2, **said})
    with db.write(engine) as conn:
        hello(conn)
        return sweeps.create(conn, asked, user="ada", key=None, now=NOW).id


def read(engine: Engine, sweep: str) -> SweepRuns:
    with db.read(engine) as conn:
        return sweeps.list_runs(conn, sweeps.get_sweep(conn, sweep))


def see(engine: Engine, sweep: str) -> Due:
    """Return what the scheduler sees at this moment."""
    with db.read(engine) as conn:
        row = sweeps.get_sweep(conn, sweep)
        return due.find_due(conn, row, sweeps.count_runs(conn, [row.pk])[row.pk])


def train_all(engine: Engine, outcome: str = "finished") -> None:
    """Let every queued run end, the one with the lowest learning rate as the best."""
    with db.write(engine) as conn:
        while conn.execute(RunTable.__table__.select().where(RunTable.state == "queued")).first():
            taken = claim(conn)
            begin(conn, taken)
            value = 1 - taken.run.spec.parameters["learning_rate"]
            conn.execute(update(RunTable).where(RunTable.id == taken.run.id).values(best_value=value, best_step=9))
            release(conn, taken, outcome)


def test_a_sweep_runs_to_its_end_with_never_more_at_once(settings: TrackerSettings, engine: Engine) -> None:
    sweep = begin_sweep(engine)
    for made in (2, 4):
        assert jobs.top_up_sweeps(settings, engine, NOW).startswith(f"sweep {sweep}: made ")
        assert jobs.top_up_sweeps(settings, engine, NOW) == ""  # as many as wanted are queued
        assert len(read(engine, sweep).runs) == made
        train_all(engine)
    assert jobs.top_up_sweeps(settings, engine, later(60)) == f"sweep {sweep}: finished"
    assert jobs.top_up_sweeps(settings, engine, later(61)) == ""
    known = read(engine, sweep)
    assert (known.sweep.state, known.sweep.ended_at, known.sweep.counts.finished) == ("finished", later(60), 4)
    rates = {run.run: run.parameters["learning_rate"] for run in known.runs}
    assert len(set(rates.values())) == 4
    assert known.sweep.best is not None
    assert rates[known.sweep.best.run] == min(rates.values())


def test_two_that_saw_the_same_make_each_try_once(engine: Engine) -> None:
    sweep = begin_sweep(engine)
    seen = see(engine, sweep)
    assert top_up(engine, seen, NOW).count(",") == 1
    assert top_up(engine, seen, NOW) == ""
    assert [run.number for run in read(engine, sweep).runs] == [1, 2]


def test_a_sweep_killed_between_two_runs_makes_the_same_second(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    whole = begin_sweep(engine, search="random")
    top_up(engine, see(engine, whole), NOW)
    sweep = begin_sweep(engine, search="random")
    add = sweeps.add_run

    def die_at_the_second(conn: Any, id: str, number: int, *rest: Any) -> str:
        made = add(conn, id, number, *rest)
        if number == 2:
            raise Killed  # the run is written, the transaction is not ended
        return made

    monkeypatch.setattr(sweeps, "add_run", die_at_the_second)
    with pytest.raises(Killed):
        top_up(engine, see(engine, sweep), NOW)
    assert len(read(engine, sweep).runs) == 1
    monkeypatch.undo()
    top_up(engine, see(engine, sweep), NOW)
    assert [run.parameters for run in read(engine, sweep).runs] == [run.parameters for run in read(engine, whole).runs]


def test_a_recipe_that_is_gone_is_told_and_waited_for(settings: TrackerSettings, engine: Engine) -> None:
    sweep = begin_sweep(engine)
    with db.write(engine) as conn:
        conn.execute(update(WorkerTable).values(recipes=[]))
    assert jobs.top_up_sweeps(settings, engine, NOW) == ""
    assert read(engine, sweep).sweep.message == (
        "No worker has announced its recipes yet, so 'hvass-cnn' is not known."
    )
    with db.write(engine) as conn:
        conn.execute(update(WorkerTable).values(recipes=[CNN.model_dump(mode="json")]))
    assert "made" in jobs.top_up_sweeps(settings, engine, NOW)
    assert read(engine, sweep).sweep.message is None


def test_where_every_run_fails_it_ends_soon(settings: TrackerSettings, engine: Engine) -> None:
    sweep = begin_sweep(engine, runs=100, at_once=HOPELESS)
    jobs.top_up_sweeps(settings, engine, NOW)
    train_all(engine, "failed")
    assert jobs.top_up_sweeps(settings, engine, NOW) == f"sweep {sweep}: failed"
    known = read(engine, sweep).sweep
    assert (known.state, known.counts.failed) == ("failed", HOPELESS)
    assert "keepbest logs" in str(known.message)
