"""Events are told in order and none is ever missed, though Postgres may commit a lower number after a higher one."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import func, select

from keepbest.contract.events import Event
from keepbest.errors import Busy
from tests.support.processes import wait_until
from tests.support.store import NOW, later
from tracker import db
from tracker.db import Connection, Engine
from tracker.services import event_hub
from tracker.services.event_hub import Horizon, Hub, merge
from tracker.store import events as store


def append(conn: Connection, number: int, kind: str = "worker.seen") -> None:
    store.append(conn, kind, None, {"number": number}, NOW)


def told(engine: Engine, horizon: Horizon, after: int = 0) -> list[int]:
    with db.read(engine) as conn:
        upto = horizon.advance(conn)
        return [event.data["number"] for event in store.read_events(conn, after, upto, limit=100)]


def test_events_are_told_in_order(engine: Engine) -> None:
    horizon = Horizon()
    for number in range(5):
        with db.write(engine) as conn:
            append(conn, number)
    assert told(engine, horizon) == [0, 1, 2, 3, 4]
    assert told(engine, horizon, after=3) == [3, 4]


def test_a_number_that_is_committed_late_is_not_skipped(postgres_url: str) -> None:
    """The race itself: transaction A takes number 1, B takes 2 and commits, a reader validations, then A commits."""
    engine = db.make_engine(postgres_url)
    horizon = Horizon()
    with engine.connect() as slow, slow.begin():
        append(slow, 1)
        with db.write(engine) as quick:
            append(quick, 2)
        assert told(engine, horizon) == [], "number 2 must wait for number 1"
        with db.write(engine) as quick:
            append(quick, 3)
        assert told(engine, horizon) == []
    assert told(engine, horizon) == [1, 2, 3]
    engine.dispose()


def test_a_number_that_never_comes_holds_nothing_up(postgres_url: str) -> None:
    engine = db.make_engine(postgres_url)
    horizon = Horizon()
    with engine.connect() as undone:
        transaction = undone.begin()
        append(undone, 1)
        with db.write(engine) as conn:
            append(conn, 2)
        assert told(engine, horizon) == []
        transaction.rollback()
    with engine.connect() as newer, newer.begin():  # began writing after the gap was seen: nobody waits for it
        append(newer, 3)
        assert told(engine, horizon) == [2]
        with db.write(engine) as conn:
            append(conn, 4)
        assert told(engine, horizon) == [2]
    assert told(engine, horizon) == [2, 3, 4]
    engine.dispose()


def test_a_reader_misses_nothing_that_many_writers_write(postgres_url: str) -> None:
    engine = db.make_engine(postgres_url)
    horizon, seen, done = Horizon(), list[int](), threading.Event()

    def write_some(writer: int) -> None:
        for number in range(40):
            with db.write(engine) as conn:
                append(conn, writer * 1000 + number)
                if number % 7 == 3:
                    conn.execute(select(func.pg_sleep(0.002)))

    def read_all() -> None:
        after = 0
        while True:
            last = done.is_set()
            with db.read(engine) as conn:
                upto = horizon.advance(conn)
                found = store.read_events(conn, after, upto, limit=1000)
            seen.extend(event.data["number"] for event in found)
            after = max(upto, after)
            if last and not found:
                return

    reader = threading.Thread(target=read_all)
    writers = [threading.Thread(target=write_some, args=(writer,)) for writer in range(4)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert sorted(seen) == sorted(writer * 1000 + number for writer in range(4) for number in range(40))
    engine.dispose()


def test_old_events_are_pruned_but_the_newest_stays(engine: Engine) -> None:
    with db.write(engine) as conn:
        for number in range(3):
            append(conn, number)
    with db.write(engine) as conn:
        assert store.prune(conn, later(-1)) == 0
        assert store.prune(conn, later(1)) == 2
        append(conn, 3)
    assert told(engine, Horizon()) == [2, 3]


@pytest.fixture
def hub(sqlite_url: str) -> Any:
    engine = db.make_engine(sqlite_url)
    hub = Hub(engine, 2)
    yield hub, engine
    hub.close()
    engine.dispose()


def test_a_stream_gets_what_happens_and_what_it_missed(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hub, engine = hub
    monkeypatch.setattr(event_hub, "BUFFERED", 3)
    with db.write(engine) as conn:
        append(conn, 0)
    begin = hub.enter()
    for number in range(1, 9):
        with db.write(engine) as conn:
            append(conn, number)
    live = wait_until(lambda: hub.wait(begin + 7, 5.0))
    assert [message.event.data["number"] for message in live] == [8]
    behind = hub.wait(0, 5.0)  # fell out of the ring: read from the table
    assert [message.event.data["number"] for message in behind] == list(range(9))
    assert hub.wait(live[-1].seq, 0.01) == []


def test_past_the_limit_a_stream_is_refused_until_one_leaves(hub: Any) -> None:
    hub, _ = hub
    hub.enter()
    hub.enter()
    with pytest.raises(Busy):
        hub.enter()
    hub.leave()
    hub.enter()


def test_closing_wakes_every_stream(hub: Any) -> None:
    hub, _ = hub
    begin = hub.enter()
    ended = threading.Event()

    def listen() -> None:
        hub.wait(begin, 60.0)
        ended.set()

    thread = threading.Thread(target=listen)
    thread.start()
    hub.close()
    assert ended.wait(5.0)
    thread.join()


def test_events_of_one_kind_about_one_run_become_one() -> None:
    def event(seq: int, kind: str, run: str, **data: Any) -> Event:
        return Event(seq=seq, kind=kind, run=run, data=data, at=NOW)

    a, b = "a" * 12, "b" * 12
    merged = merge([
        event(1, "run.progress", a, step=1, wait=0), event(2, "run.progress", b, step=9),
        event(3, "run.state", a, state="running"), event(4, "run.state", a, state="finished"),
        event(5, "run.progress", a, step=2),
    ])  # fmt: skip
    assert [(event.seq, event.run, event.data) for event in merged] == [
        (2, b, {"step": 9}),
        (3, a, {"state": "running"}),
        (4, a, {"state": "finished"}),
        (5, a, {"step": 2, "wait": 0}),
    ]
