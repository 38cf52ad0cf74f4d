"""Transactions: durable or undone, one writer at a time on SQLite, and the database's faults in our own words."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, func, insert, select, text
from sqlalchemy.exc import OperationalError

from keepbest.errors import Busy, Conflict, InvalidInput, KeepbestError
from tests.support.store import NOW, submit
from tracker import db
from tracker.models import ProjectTable


def add(conn: Connection, name: str) -> None:
    conn.execute(insert(ProjectTable).values(name=name, created_at=NOW, description="", next_number=1))


def count(engine: Engine) -> int:
    with db.read(engine) as conn:
        return conn.execute(select(func.count()).select_from(ProjectTable)).scalar_one()


def test_a_transaction_that_raises_leaves_nothing(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError):
        add_and_fail(engine)
    assert count(engine) == 0
    with db.write(engine) as conn:
        add(conn, "a")
    assert count(engine) == 1


def add_and_fail(engine: Engine) -> None:
    with db.write(engine) as conn:
        add(conn, "a")
        raise ZeroDivisionError


def test_readers_do_not_wait_for_a_writer(engine: Engine) -> None:
    with db.write(engine) as conn:
        add(conn, "a")
        assert count(engine) == 0
    assert count(engine) == 1


def test_many_threads_write_and_every_write_counts(engine: Engine) -> None:
    with db.write(engine) as conn:
        submit(conn, project="p")

    def work() -> None:
        for _ in range(20):
            with db.write(engine) as conn:
                submit(conn, project="p")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.read(engine) as conn:
        assert conn.execute(select(ProjectTable.next_number)).scalar() == 82


def test_a_clash_is_a_conflict_in_words_without_sql(engine: Engine) -> None:
    with db.write(engine) as conn:
        add(conn, "a")
    with pytest.raises(Conflict) as raised, db.write(engine) as conn:
        add(conn, "a")
    assert "INSERT" not in raised.value.message
    assert raised.value.__cause__ is not None


def test_sqlite_is_durable_and_checks_references(sqlite_url: str) -> None:
    engine = db.make_engine(sqlite_url)
    with db.read(engine) as conn:
        said = [
            conn.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    engine.dispose()
    assert said == ["wal", 2, 1]


def test_a_database_locked_by_another_process_is_busy(sqlite_url: str) -> None:
    engine = db.make_engine(sqlite_url, busy_seconds=0.2)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy, match="is busy"), db.write(engine):
        pass
    assert count(engine) == 0
    other.execute("ROLLBACK")
    other.close()
    with db.write(engine) as conn:
        add(conn, "a")
    engine.dispose()


def test_a_thread_that_waits_too_long_for_its_turn_is_told_so(sqlite_url: str) -> None:
    engine = db.make_engine(sqlite_url, busy_seconds=0.2)
    with db.write(engine):
        failed: list[KeepbestError] = []

        def write() -> None:
            try:
                with db.write(engine):
                    pass
            except KeepbestError as error:
                failed.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        thread.join(10)
    engine.dispose()
    assert [type(error) for error in failed] == [Busy]


def test_a_full_disk_keeps_what_was_acknowledged_and_says_so(sqlite_url: str) -> None:
    engine = db.make_engine(sqlite_url)
    with db.write(engine) as conn:
        add(conn, "kept")
        pages = conn.execute(text("PRAGMA page_count")).scalar()
        conn.execute(text(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(Busy, match=r"disk .* is full") as raised:
        fill_up(engine)
    assert "Free some space" in str(raised.value.hint)
    assert count(engine) == 1
    engine.dispose()


def fill_up(engine: Engine) -> None:
    with db.write(engine) as conn:
        for number in range(10_000):
            add(conn, f"{number:090}")


def test_a_database_that_is_not_there_is_busy() -> None:
    engine = db.make_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(Busy, match="does not answer"), db.read(engine):
        pass
    engine.dispose()


def test_what_a_driver_says_never_reaches_a_client(engine: Engine) -> None:
    with pytest.raises(KeepbestError) as raised, db.read(engine) as conn:
        conn.execute(text("SELECT secret FROM nowhere"))
    assert "nowhere" not in f"{raised.value.message} {raised.value.hint}"
    assert isinstance(raised.value.__cause__, OperationalError) or engine.dialect.name == "postgresql"


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://host/db", "sqlite+nope:///x", "oracle://x", "postgresql+none://x"]
)
def test_an_address_that_cannot_be_used_is_named(url: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        db.make_engine(url)
    assert raised.value.field == "database_url"


def test_a_password_in_the_address_is_never_shown() -> None:
    with pytest.raises(InvalidInput) as raised:
        db.make_engine("mysql://ada:geheim@host/db")
    assert "geheim" not in str(raised.value.to_body())


def test_the_folder_of_a_new_database_is_private(tmp_path: Path) -> None:
    db.upgrade(f"sqlite:///{tmp_path}/new/tracker.db")
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
