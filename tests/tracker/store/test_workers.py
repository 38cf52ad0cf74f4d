"""Workers: heard, silent, gone, forgotten; and the recipes that they leave behind."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, select

from keepbest.contract.base import new_id
from keepbest.contract.workers import Claim, Worker
from keepbest.errors import NotFound
from tests.support.store import CNN, NOW, WORKER, claim, hello, kinds, later, release, submit
from tracker.models import AuditEntryTable
from tracker.store import claims, workers

DAY = 86_400.0


def see(conn: Connection, worker: str, seconds: float = 0) -> Worker:
    found = workers.list_workers(conn, silent_seconds=30, now=later(seconds))
    return next(row for row in found if row.id == worker)


def test_the_same_worker_says_hello_again_and_is_one_worker(conn: Connection) -> None:
    worker = hello(conn, slots=1)
    hello(conn, id=worker, slots=4, now=later(5))
    seen = see(conn, worker, 5)
    assert (seen.slots, seen.started_at, seen.heard_at) == (4, NOW, later(5))
    assert kinds(conn) == ["worker.seen"]
    assert conn.execute(select(AuditEntryTable.action)).scalars().all() == ["worker.hello"]


STATES = [(0, "alive"), (30, "alive"), (31, "silent"), (10_000, "silent")]


@pytest.mark.parametrize(("seconds", "state"), STATES)
def test_a_worker_not_heard_for_a_while_is_silent(conn: Connection, seconds: float, state: str) -> None:
    assert see(conn, hello(conn), seconds).state == state


def test_a_silent_worker_is_gone_and_back_when_it_speaks(conn: Connection) -> None:
    worker = hello(conn)
    assert workers.mark_gone(conn, gone_seconds=300, now=later(299)) == []
    assert workers.mark_gone(conn, gone_seconds=300, now=later(301)) == ["mill"]
    assert workers.mark_gone(conn, gone_seconds=300, now=later(302)) == []
    assert see(conn, worker, 302).state == "gone"
    assert claims.claim(conn, Claim(worker=worker), by=WORKER, seconds=30, now=later(303)) is None
    assert see(conn, worker, 303).state == "alive"
    assert kinds(conn) == ["worker.seen", "worker.gone"]


def test_a_worker_that_says_goodbye_is_gone_at_once(conn: Connection) -> None:
    worker = hello(conn)
    workers.deregister_worker(conn, worker, by=WORKER, now=later(1))
    assert see(conn, worker, 1).state == "gone"
    hello(conn, id=worker, now=later(2))
    assert see(conn, worker, 2).state == "alive"
    assert kinds(conn) == ["worker.seen", "worker.gone", "worker.seen"]


def test_an_idle_worker_costs_a_write_only_now_and_then(conn: Connection) -> None:
    worker = hello(conn)
    for second in range(1, 12):
        workers.hear(conn, worker, later(second))
    assert see(conn, worker).heard_at == later(6)


def test_busy_counts_what_a_worker_holds(conn: Connection) -> None:
    worker = hello(conn, slots=2)
    for _ in range(2):
        submit(conn)
    first, _ = claim(conn, worker), claim(conn, worker)
    assert see(conn, worker).busy == 2
    release(conn, first, "finished")
    assert see(conn, worker).busy == 1


def test_the_living_come_before_the_gone(conn: Connection) -> None:
    old, gone, fresh = hello(conn), hello(conn), hello(conn, now=later(9))
    workers.deregister_worker(conn, gone, by=WORKER, now=later(10))
    found = workers.list_workers(conn, silent_seconds=30, now=later(10))
    assert [worker.id for worker in found] == [fresh, old, gone]


def test_a_worker_long_gone_is_forgotten_unless_recipes_need_it(conn: Connection) -> None:
    rare = CNN.model_copy(update={"name": "rare"})
    plain, keeper = hello(conn), hello(conn, recipes=[rare])
    for worker in (plain, keeper):
        workers.deregister_worker(conn, worker, by=WORKER, now=NOW)
    alive = hello(conn, now=later(31 * DAY))
    assert workers.forget_workers(conn, forget_days=30, now=later(29 * DAY)) == 0
    assert workers.forget_workers(conn, forget_days=30, now=later(31 * DAY)) == 1
    found = workers.list_workers(conn, silent_seconds=30, now=later(31 * DAY))
    assert [worker.id for worker in found] == [alive, keeper]
    assert list(workers.list_recipes(conn)) == ["hvass-cnn", "rare"]


def test_few_workers_are_forgotten_at_a_time(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "FORGOTTEN_AT_ONCE", 2)
    for second in range(3):
        workers.deregister_worker(conn, hello(conn, now=later(second)), by=WORKER, now=later(second))
    hello(conn, now=later(9))
    at = later(31 * DAY)
    assert [workers.forget_workers(conn, forget_days=30, now=at) for _ in range(3)] == [2, 1, 0]


def test_a_worker_nobody_knows_is_not_found(conn: Connection) -> None:
    assert workers.find_worker(conn, new_id()) is None
    with pytest.raises(NotFound, match="has not registered"):
        workers.get_worker(conn, new_id())
