"""The worker token of the environment: valid from the first start, one at a time, and no more than a worker's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, delete

from keepbest.errors import InvalidInput
from keepbest.status import Role
from tracker import db
from tracker.models import CredentialTable
from tracker.store.access import users

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD, NEW = "o" * 24, "n" * 24


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    engine = db.make_engine(database_url)
    with db.write(engine) as conn:
        yield conn
    engine.dispose()


def role_of(conn: Connection, secret: str) -> Role | None:
    found = users.find_principal(conn, users.digest(secret), "token", NOW)
    return found.role if found else None


def test_the_token_is_a_workers(conn: Connection) -> None:
    users.admit_workers(conn, NEW, NOW)
    assert role_of(conn, NEW) is Role.WORKER


def test_a_second_start_changes_nothing(conn: Connection) -> None:
    users.admit_workers(conn, NEW, NOW)
    before = users.find_principal(conn, users.digest(NEW), "token", NOW)
    users.admit_workers(conn, NEW, NOW)
    assert users.find_principal(conn, users.digest(NEW), "token", NOW) == before


def test_a_new_token_ends_the_old_one(conn: Connection) -> None:
    users.admit_workers(conn, OLD, NOW)
    users.admit_workers(conn, NEW, NOW)
    assert (role_of(conn, OLD), role_of(conn, NEW)) == (None, Role.WORKER)


def test_a_token_that_could_be_guessed_is_refused(conn: Connection) -> None:
    with pytest.raises(InvalidInput, match="at least 24 characters"):
        users.admit_workers(conn, "changeme", NOW)


def test_a_deleted_token_comes_back_at_the_next_start(conn: Connection) -> None:
    users.admit_workers(conn, NEW, NOW)
    conn.execute(delete(CredentialTable))
    users.admit_workers(conn, NEW, NOW)
    assert role_of(conn, NEW) is Role.WORKER
