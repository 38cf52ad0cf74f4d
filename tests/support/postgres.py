"""Databases of a test's own on a real Postgres server, cloned from one template."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
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
    server = need_postgres()
    name = f"keepbest_test_{secrets.token_hex(6)}"
    source = f' TEMPLATE "{_name(template)}"' if template else ""
    _execute(server, f'CREATE DATABASE "{name}"{source}')
    try:
        yield f"{server.rpartition('/')[0]}/{name}"
    finally:
        _execute(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _execute(server: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(_plain(server), autocommit=True) as connection:
        connection.execute(statement.encode())


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def _plain(url: str) -> str:
    """Return the address as psycopg reads it, without SQLAlchemy's driver name."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
