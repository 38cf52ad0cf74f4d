"""Databases of a test's own on a real Postgres server, cloned from one template."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

from tests.support.environment import TEST_POSTGRES
from tests.support.need import need

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
    """Clones of a template, one a test: the next is made, and the last dropped, while a test runs."""

    def __init__(self, template: str) -> None:
        self._template = template
        self._thread = ThreadPoolExecutor(1)
        self._next: Future[str] | None = None
        self._dropped: list[Future[None]] = []

    @contextmanager
    def take(self) -> Iterator[str]:
        url = self._next.result() if self._next else _create(self._template)
        self._next = self._thread.submit(_create, self._template)
        try:
            yield url
        finally:
            self._dropped.append(self._thread.submit(_drop, url))

    def close(self) -> None:
        """Drop what is left; raises what went wrong in the thread."""
        if self._next:
            self._dropped.append(self._thread.submit(_drop, self._next.result()))
        for dropped in self._dropped:
            dropped.result()
        self._thread.shutdown()


def _create(template: str | None) -> str:
    server = need_postgres()
    name = f"keepbest_test_{secrets.token_hex(6)}"
    source = f' TEMPLATE "{_name(template)}"' if template else ""
    _execute(server, f'CREATE DATABASE "{name}"{source}')
    return f"{server.rpartition('/')[0]}/{name}"


def _drop(url: str) -> None:
    _execute(need_postgres(), f'DROP DATABASE "{_name(url)}" WITH (FORCE)')


def _execute(server: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(_plain(server), autocommit=True) as connection:
        connection.execute(statement.encode())


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def _plain(url: str) -> str:
    """Return the address as psycopg reads it, without SQLAlchemy's driver name."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
