"""The scheduler's job where the runs of a sweep pause: the best go on, the rest end with it, whatever is killed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from keepbest.contract.sweeps import SweepRequest, SweepRuns
from keepbest.stopping import parse
from tests.support.store import NOW, add_checkpoint, begin, claim, hello, later, release
from tests.tracker.services.test_sweeps import read, see
from tracker import db
from tracker.db import Engine
from tracker.models import RunTable
from tracker.scheduler import jobs
from tracker.services.sweeps import top_up
from tracker.settings import TrackerSettings
from tracker.store import commands, runs
from tracker.store.sweeps import rungs, sweeps

#: The rungs lie at 100, 300 and 900; every run ends at 1000.
STOP = "successive_halving(100, factor=3)"
STEPS = (100, 300, 900, 1000)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> TrackerSettings:
    return TrackerSettings(dir=tmp_path, database_url=database_url)


def begin_sweep(engine: Engine, count: int, at_once: int = 2) -> str:
    values = {"kind": "choices", "values": [number / 100 for number in range(1, count + 1)]}
    run = {"source": {"kind": "recipe", "name": "hvass-cnn"}, "stopper": parse(STOP), "max_steps": 1000}
    said = {"run": run, "space": {"learning_rate": values}, "search": "grid", "at_once": at_once}
    with db.write(engine) as conn:
        hello(conn)
        return sweeps.create(conn, SweepRequest.model_validate(said), user="ada", key=None, now=NOW).id


def train_one(engine: Engine, values: Mapping[int, float | None], ends: Mapping[int, str] | None = None) -> str | None:
    """Let the next queued run come to its next rung, or to its end; return what it did.

    `values` are by number of the try; `ends` says of some that they end otherwise at their first rung.
    """
    with db.write(engine) as conn:
        if conn.execute(RunTable.__table__.select().where(RunTable.state == "queued")).first() is None:
            return None
        taken = claim(conn)
        trial, rung = taken.run.spec.trial, (taken.promotions or 0) + 1
        assert trial is not None
        step, value = STEPS[rung - 1], values[trial.number]
        row = begin(conn, taken)
        add_checkpoint(conn, row, segment=taken.next_segment, step=step)
        known = {"step": step, "best_value": value, "best_step": value and step, "mode": "max"}
        conn.execute(update(RunTable).where(RunTable.pk == row.pk).values(**known))
        outcome = (ends or {}).get(trial.number, "paused" if rung < len(STEPS) else "finished")
        reason = {"stop_reason": "max_steps"} if outcome == "finished" else {}
        release(conn, taken, outcome, **({"rung": rung} if outcome == "paused" else reason))
        return f"{trial.number}@{step}"


def run_all(settings: TrackerSettings, engine: Engine, sweep: str, *values: Any, **how: Any) -> list[str]:
    """Alternate scheduler and worker until the sweep has ended; return all that was trained."""
    said: list[str] = []
    for _ in range(200):
        jobs.top_up_sweeps(settings, engine, NOW)
        if read(engine, sweep).sweep.state != "running":
            return said
        if (one := train_one(engine, *values, **how)) is not None:
            said.append(one)
    raise AssertionError("the sweep never ended")


def ends_of(known: SweepRuns) -> dict[int, str]:
    return {run.number: run.stop_reason.value if run.stop_reason else run.state.value for run in known.runs}


def test_nine_begin_three_go_on_one_is_trained_to_its_end(settings: TrackerSettings, engine: Engine) -> None:
    """The best come first: so nobody who was promoted early is overtaken."""
    sweep = begin_sweep(engine, 9, at_once=9)
    said = run_all(settings, engine, sweep, {number: 1 - number / 10 for number in range(1, 10)})
    first = [f"{number}@100" for number in range(1, 10)]
    assert sorted(said) == sorted([*first, "1@300", "2@300", "3@300", "1@900", "1@1000"])
    known = read(engine, sweep)
    halved = dict.fromkeys(range(2, 10), "successive_halving")
    assert ends_of(known) == {1: "max_steps", **halved}
    told = {run.number: runs_message(engine, run.run) for run in known.runs}
    assert told[9] == "Place 9 of 9 at rung 1: not promoted."
    assert told[3] == "Place 3 of 3 at rung 2: not promoted."
    assert [(one.rung, one.step, one.runs, one.waiting, one.promoted) for one in known.rungs] == [
        (1, 100, 9, 0, 3),
        (2, 300, 3, 0, 1),
        (3, 900, 1, 0, 1),
    ]
    assert [one.best_value for one in known.rungs] == [0.9, 0.9, 0.9]
    assert known.sweep.best is not None
    assert known.sweep.best.number == 1


def runs_message(engine: Engine, run: str) -> str | None:
    with db.read(engine) as conn:
        return runs.show_run(runs.get_run(conn, run)).stop_message


def test_never_more_at_once_and_promotions_before_new_tries(settings: TrackerSettings, engine: Engine) -> None:
    sweep = begin_sweep(engine, 6, at_once=2)
    values = {number: number / 10 for number in range(1, 7)}
    jobs.top_up_sweeps(settings, engine, NOW)
    for _ in range(3):
        counts = read(engine, sweep).sweep.counts
        assert counts.queued <= 2
        train_one(engine, values)
        jobs.top_up_sweeps(settings, engine, NOW)
    known = read(engine, sweep)  # three stand at the rung: the third, the best, goes on beside the fourth
    assert {run.number: run.state.value for run in known.runs} == {1: "paused", 2: "paused", 3: "queued", 4: "queued"}
    assert known.runs[2].rungs[0].promoted


def test_a_small_sweep_ends_with_its_best_trained_to_the_end(settings: TrackerSettings, engine: Engine) -> None:
    sweep = begin_sweep(engine, 2)
    said = run_all(settings, engine, sweep, {1: 0.5, 2: 0.6})
    assert said == ["1@100", "2@100", "2@300", "2@900", "2@1000"]
    assert ends_of(read(engine, sweep)) == {1: "successive_halving", 2: "max_steps"}


def test_runs_that_ended_early_take_a_place_failed_ones_none(settings: TrackerSettings, engine: Engine) -> None:
    """1 ended by itself at its first rung, the best of all; 2 failed there."""
    sweep = begin_sweep(engine, 4)
    values = {1: 0.9, 2: 0.1, 3: 0.5, 4: 0.4}
    assert run_all(settings, engine, sweep, values, ends={1: "finished", 2: "failed"}) == [
        "1@100", "2@100", "3@100", "4@100",
    ]  # fmt: skip
    known = read(engine, sweep)
    assert ends_of(known) == {1: "max_steps", 2: "error", 3: "successive_halving", 4: "successive_halving"}
    assert known.rungs[0].runs == 3


def test_where_nothing_was_measured_it_ends_all_the_same(settings: TrackerSettings, engine: Engine) -> None:
    sweep = begin_sweep(engine, 2)
    assert run_all(settings, engine, sweep, {1: None, 2: None}) == ["1@100", "2@100"]
    assert set(ends_of(read(engine, sweep)).values()) == {"successive_halving"}


def test_two_that_saw_the_same_promote_once(settings: TrackerSettings, engine: Engine) -> None:
    sweep = begin_sweep(engine, 4, at_once=3)
    jobs.top_up_sweeps(settings, engine, NOW)
    while train_one(engine, {1: 0.1, 2: 0.2, 3: 0.3}):
        pass
    seen, third = see(engine, sweep), read(engine, sweep).runs[2].run
    assert top_up(engine, seen, NOW).startswith(f"sweep {sweep}: promoted {third}; made ")
    assert top_up(engine, seen, NOW) == ""
    assert read(engine, sweep).sweep.counts.queued == 2


def test_killed_at_any_instant_it_goes_on_as_if_nothing_had_been(
    settings: TrackerSettings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler dies once before and once after each write of its own, and what it did stays as it is."""

    class Killed(BaseException):
        pass

    values = {number: 1 - number / 10 for number in range(1, 7)}
    whole = begin_sweep(engine, 6)
    expected = run_all(settings, engine, whole, values)
    done: set[tuple[Any, ...]] = set()

    def die_once(owner: Any, name: str) -> None:
        act = getattr(owner, name)

        def dying(conn: Any, *given: Any) -> Any:
            key = (name, *(str(getattr(one, "id", one)) for one in given[:3] if not isinstance(one, dict)))
            for when in ("before", "in the middle of"):
                if (when, *key) not in done:
                    done.add((when, *key))
                    if when == "in the middle of":
                        act(conn, *given)
                    raise Killed
            return act(conn, *given)

        monkeypatch.setattr(owner, name, dying)

    for owner, name in ((sweeps, "add_run"), (sweeps, "promote"), (rungs, "finish"), (sweeps, "end")):
        die_once(owner, name)
    sweep = begin_sweep(engine, 6)
    said: list[str] = []
    while read(engine, sweep).sweep.state == "running":
        for _ in range(30):
            try:
                jobs.top_up_sweeps(settings, engine, NOW)
                break
            except Killed:
                continue
        if (one := train_one(engine, values)) is not None:
            said.append(one)
    assert said == expected
    assert ends_of(read(engine, sweep)) == ends_of(read(engine, whole))
    assert {name for _, name, *_ in done} == {"add_run", "promote", "finish", "end"}


def test_one_that_a_person_lets_go_on_keeps_the_sweep_going(settings: TrackerSettings, engine: Engine) -> None:
    """Between what the scheduler read and what it wrote."""
    sweep = begin_sweep(engine, 2)
    while train_one(engine, {1: 0.5, 2: 0.6}) or jobs.top_up_sweeps(settings, engine, NOW).count("made"):
        pass
    seen = see(engine, sweep)
    loser = next(run for run in read(engine, sweep).runs if run.state == "paused")
    with db.write(engine) as conn:
        rungs.promote(conn, runs.get_run(conn, loser.run), 1, NOW)
    assert top_up(engine, seen, NOW) == ""
    assert read(engine, sweep).sweep.state == "running"


def test_a_cancelled_one_is_not_waited_for(settings: TrackerSettings, engine: Engine) -> None:
    sweep = begin_sweep(engine, 3)
    for _ in range(3):
        jobs.top_up_sweeps(settings, engine, NOW)
        train_one(engine, {1: 0.9, 2: 0.5, 3: 0.4})
    with db.write(engine) as conn:
        first = read(engine, sweep).runs[0].run
        commands.cancel_run(conn, runs.get_run(conn, first), user="ada", now=later(9))
    # Its place at the rung was the only one: the next best goes on because none was trained to its end.
    said = run_all(settings, engine, sweep, {2: 0.5, 3: 0.4})
    assert said == ["2@300", "2@900", "2@1000"]
