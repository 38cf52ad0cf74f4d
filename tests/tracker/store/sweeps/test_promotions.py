"""Who may go on, asked of the tables: the same as the rule says of all runs at once, whatever became of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, delete, event, insert, select, update

from keepbest.contract.sweeps import Halving, Sweep
from keepbest.stopping import Mode
from keepbest.stopping.rungs import find_promotable
from tests.support.store import NOW, submit
from tests.tracker.store.sweeps.test_rungs import ask
from tests.tracker.store.sweeps.test_sweeps import add, row_of
from tracker import db
from tracker.db import Engine
from tracker.models import RungTable, RunTable
from tracker.store.sweeps import due, promotions, rungs, sweeps

MAX_RUNGS = 4
#: Few, so that there are equals.
VALUES = [None, 0.25, 0.5, 0.75, -0.25]
HALVED = "successive_halving"
#: State, reason, and whether it stands at its last rung.
ENDS: list[tuple[str, str | None, bool]] = [
    ("paused", HALVED, True), ("paused", HALVED, True), ("paused", HALVED, True), ("finished", "patience", False),
    ("finished", None, False), ("finished", HALVED, True), ("failed", "error", True), ("cancelled", "user", True),
    ("queued", None, False), ("running", None, False),
]  # fmt: skip


def make(conn: Connection, count: int) -> tuple[Sweep, list[int]]:
    sweep = ask(conn, "successive_halving(100, factor=2)", runs=None, space=SPACE)
    submit(conn)  # another's, with marks of no sweep
    for number in range(1, count + 1):
        add(conn, sweep, number, learning_rate=number / 100)
    return sweep, list(
        conn.execute(select(RunTable.pk).where(RunTable.sweep_pk.is_not(None)).order_by(RunTable.pk)).scalars()
    )


SPACE = {"learning_rate": {"kind": "choices", "values": [number / 100 for number in range(1, 31)]}}


def shuffle(conn: Connection, luck: random.Random, sweep_pk: int, pks: list[int]) -> None:
    """Let anything have become of each run."""
    conn.execute(delete(RungTable))
    marks: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    for pk in pks:
        state, reason, stands = luck.choice(ENDS)
        places = sorted(luck.sample(range(1, MAX_RUNGS + 1), luck.choice([0, 1, 1, 2, 3]) or (state == "paused")))
        known: dict[str, Any] = {
            "state": state,
            "stop_reason": reason,
            "best_value": luck.choice(VALUES),
            "mode": "max",
        }
        known |= {"deleted_at": NOW if luck.random() < 0.1 else None, "selected_value": luck.choice(VALUES)}
        changes.append({**known, "top_rung": max(places, default=0), "this": pk})
        for since, place in zip([0, *places], places, strict=False):
            waits = stands and place == places[-1]
            mark = {"run_pk": pk, "rung": place, "step": 100 * place, "reached_at": NOW, "sweep_pk": sweep_pk}
            mark |= {"since": since + 1}
            marks.append({**mark, "value": luck.choice(VALUES), "promoted_at": None if waits else NOW})
    conn.execute(update(RunTable).where(RunTable.pk == bindparam("this")), changes)
    if marks:
        conn.execute(insert(RungTable), marks)


@pytest.mark.parametrize("seed", range(3))
def test_the_tables_say_what_the_rule_says_of_all_runs(conn: Connection, seed: int) -> None:
    luck = random.Random(seed)
    sweep, pks = make(conn, 18)
    row, said = row_of(conn, sweep), 0
    for _ in range(60):
        shuffle(conn, luck, row.pk, pks)
        factor, limit = luck.choice([2, 3, 4]), luck.choice([1, 2, 100])
        mode: Mode = luck.choice(["max", "min"])
        known = sweeps.list_runs(conn, row).runs
        named = {run.number: run.run for run in known}
        expected = find_promotable(rungs.to_contenders(known), factor, mode)[:limit]
        found = promotions.list_promotable(conn, row.pk, Halving(min_steps=100, factor=factor), mode, limit)
        assert found == [(named[one.number], one.top) for one in expected]
        said += len(found)
    assert said > 50


def test_what_is_due_is_read_from_indexes(sqlite: Connection) -> None:
    """Bug: each second all runs of a due sweep were read, with their rungs: 2 s of every tick of 10,000 runs."""
    sweep, pks = make(sqlite, 8)
    sweep_pk, luck = row_of(sqlite, sweep).pk, random.Random(1)
    shuffle(sqlite, luck, sweep_pk, pks)
    asked: list[tuple[str, Any]] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(sqlite.engine, "before_cursor_execute", note)
    try:
        due.list_due(sqlite)
        promotions.list_promotable(sqlite, sweep_pk, Halving(min_steps=100, factor=2), "max", 100)
    finally:
        event.remove(sqlite.engine, "before_cursor_execute", note)
    steps = [step for one in asked for step in explain(sqlite, *one)]
    touched = [step for step in steps if " runs" in step or " rungs" in step]
    through = ("COVERING INDEX", "INTEGER PRIMARY KEY")
    assert len(touched) > 10
    assert [step for step in touched if not any(way in step for way in through)] == []


def explain(conn: Connection, statement: str, parameters: Any) -> list[str]:
    """Return SQLite's plan, a line for each table that it goes through."""
    return [row[-1] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]


@pytest.fixture
def sqlite(shared_sqlite: Engine) -> Iterator[Connection]:
    with suppress(ZeroDivisionError), db.write(shared_sqlite) as conn:
        yield conn
        raise ZeroDivisionError  # nothing of it stays
