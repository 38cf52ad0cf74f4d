"""Databases of a test's own on a real Postgres server, cloned from one template."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from tests.support.environment import TEST_POSTGRES
from tests.support.need import need

if TYPE_CHECKING:
    from psycopg import Connection

HOW = (
    "needs Postgres: apt-get install postgresql, or name a server in "
    "KEEPBEST_TEST_POSTGRES=postgresql+psycopg://user@host:port/database"
)


@cache
def server_url() -> str | None:
    """Return the address of the test server, or None when none answers."""
    try:
        import psycopg  # an optional extra: without it there is no server to test on

        psycopg.connect(_plain(TEST_POSTGRES), connect_timeout=5).close()
    except (ImportError, psycopg.OperationalError):
        return None
    return TEST_POSTGRES


def need_postgres() -> str:
    """Return the address of the test server; skip the test when none answers."""
    url = server_url()
    need(url, HOW)
    return str(url)


@contextmanager
def new_database(template: str | None = None) -> Iterator[str]:
    """Create a database with a random name, empty or a clone of the template; drop it at the end."""
    url = _create(template)
    try:
        yield url
    finally:
        _drop(url)


class Clones:
    """Clones of a template, each for one test after another: emptied between, dropped at the end of the session.

    A server takes half a second to drop a database, as all of it goes through to the disk; to empty one takes 10 ms.
    """

    def __init__(self, template: str) -> None:
        self.template = template
        self._made: list[str] = []
        self._free: list[str] = []
        with _connect(template) as connection:
            self._shape = _shape_of(connection)
            tables = [name for (name,) in connection.execute(TABLES)]
        # One statement, at whose end the foreign keys are looked at; then every sequence begins anew.
        deleted = ", ".join(f'"{name}_" AS (DELETE FROM "{name}")' for name in tables)  # noqa: S608
        self._emptying = f"WITH {deleted} SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence"  # noqa: S608

    @contextmanager
    def take(self) -> Iterator[str]:
        """Lend a database with the template's schema and no row."""
        url = self._free.pop() if self._free else self._make()
        yield url
        if self._is_emptied(url):
            self._free.append(url)

    def close(self) -> None:
        """Drop every database."""
        for url in self._made:
            _drop(url)

    def _make(self) -> str:
        url = _create(self.template)
        # No test cuts the server's power: none needs to wait for its disk.
        _execute(url, f'ALTER DATABASE "{_name(url)}" SET synchronous_commit = off')
        self._made.append(url)
        return url

    def _is_emptied(self, url: str) -> bool:
        """Delete all rows; False where a test left more than rows behind, so that no test gets the database again."""
        with _connect(url) as connection:
            if not _is_left_alone(connection) or _shape_of(connection) != self._shape:
                return False
            connection.execute(self._emptying.encode())
            return True


#: All but Alembic's own.
TABLES = b"SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
#: The revision, and every column of every table and index.
SHAPE = b"""SELECT (SELECT version_num FROM alembic_version),
    md5(string_agg(concat_ws(' ', relname, attname, atttypid, attnotnull, atthasdef), ',' ORDER BY relname, attnum))
    FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid WHERE relnamespace = 'public'::regnamespace"""
#: Who else is connected.
OTHERS = b"""SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""


def _shape_of(connection: Connection) -> Any:
    return connection.execute(SHAPE).fetchone()


def _is_left_alone(connection: Connection) -> bool:
    """Whether nobody else is connected; the server notices a moment late that a client has gone."""
    until = time.monotonic() + 1
    while connection.execute(OTHERS).fetchone() != (0,):
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True


def _create(template: str | None) -> str:
    server = need_postgres()
    name = f"keepbest_test_{secrets.token_hex(6)}"
    source = f' TEMPLATE "{_name(template)}"' if template else ""
    _execute(server, f'CREATE DATABASE "{name}"{source}')
    return f"{server.rpartition('/')[0]}/{name}"


def _drop(url: str) -> None:
    _execute(need_postgres(), f'DROP DATABASE "{_name(url)}" WITH (FORCE)')


def _execute(server: str, statement: str) -> None:
    with _connect(server) as connection:
        connection.execute(statement.encode())


def _connect(url: str) -> Connection:
    import psycopg

    return psycopg.connect(_plain(url), autocommit=True)


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def _plain(url: str) -> str:
    """Return the address as psycopg reads it, without SQLAlchemy's driver name."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
