"""Retention in the tracker, on both databases: what goes, and what a lease, a pin or the next attempt needs."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, update

from keepbest.contract.checkpoints import CheckpointState
from keepbest.contract.workers import Assignment
from tests.support.store import NOW, add_checkpoint, begin, claim, kinds, later, release, submit
from tracker.models import RunTable
from tracker.store import checkpoints, deletions, leases, retention, runs

VALUES = {100: 0.5, 200: 0.9, 300: 0.7, 400: 0.6}


def train(conn: Connection, **asked: Any) -> tuple[Assignment, dict[int, str]]:
    """Let a run write checkpoints under its lease; return its assignment, and them by step."""
    submit(conn, **asked)
    taken = claim(conn)
    run = begin(conn, taken)
    ids = {step: add_checkpoint(conn, run, step=step, value=value) for step, value in VALUES.items()}
    conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(best_checkpoint=ids[200], mode="max"))
    return taken, ids


def going(conn: Connection, run: str) -> list[int]:
    return [one.step for one in retention.list_superseded(conn, runs.get_run(conn, run))]


def test_nothing_goes_while_somebody_holds_the_run(conn: Connection) -> None:
    taken, _ = train(conn)
    assert going(conn, taken.run.id) == []
    assert retention.find_candidates(conn) == []
    assert retention.drop_superseded(conn, taken.run.id, NOW) == 0


def test_after_the_end_the_rule_holds(conn: Connection) -> None:
    taken, ids = train(conn)
    release(conn, taken, "finished")
    checkpoints.pin(conn, ids[300], True)
    assert retention.find_candidates(conn) == [taken.run.id]
    assert going(conn, taken.run.id) == [100]
    assert retention.drop_superseded(conn, taken.run.id, NOW) == 1
    assert checkpoints.get_checkpoint(conn, ids[100]).state is CheckpointState.DROPPED
    assert kinds(conn)[-1] == "run.checkpoint"
    assert going(conn, taken.run.id) == []
    retention.bring_back(conn, ids[100], NOW)
    assert going(conn, taken.run.id) == [100]


@pytest.mark.parametrize(("spec", "gone"), [({"best": 2, "last": 0}, [100, 400]), ({"every_steps": 200}, [100, 300])])
def test_the_run_names_its_rule(conn: Connection, spec: dict[str, int], gone: list[int]) -> None:
    taken, _ = train(conn, retention=spec)
    release(conn, taken, "finished")
    assert going(conn, taken.run.id) == gone


def test_where_the_next_attempt_goes_on_stays(conn: Connection) -> None:
    taken, _ = train(conn, retention={"best": 1, "last": 0})
    leases.expire_leases(conn, later(31))
    assert runs.get_run(conn, taken.run.id).state == "queued"
    assert going(conn, taken.run.id) == [100, 300]


def test_what_a_store_may_lose(conn: Connection) -> None:
    taken, ids = train(conn)
    release(conn, taken, "finished")
    run = taken.run.id
    there = [(run, ids[100]), (run, ids[200]), ("z" * 12, "y" * 12)]
    assert retention.find_dropped(conn, there) == []
    retention.drop_superseded(conn, run, NOW)
    assert retention.find_dropped(conn, there) == [(run, ids[100])]
    deletions.delete_run(conn, runs.get_run(conn, run), user="ada", now=NOW)
    assert sorted(retention.find_dropped(conn, there)) == sorted(there[:2])
    assert retention.find_pinned(conn, there) == {(run, ids[100]): False, (run, ids[200]): False}
