"""A store for tests: `conn`, a transaction that is undone at the end, or `engine`, a database of the test's own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from tests.support.api import Api
from tests.support.databases import KINDS
from tests.support.postgres import Clones, need_postgres
from tracker import db


class Undo(Exception):
    """Ends a test's transaction."""


@pytest.fixture(scope="session")
def shared_sqlite(sqlite_template: Path) -> Iterator[Engine]:
    path = shutil.copyfile(sqlite_template, sqlite_template.with_name("shared.db"))
    yield from _open(f"sqlite:///{path}")


@pytest.fixture(scope="session")
def shared_postgres(postgres_clones: Clones | None) -> Iterator[Engine]:
    need_postgres()
    assert postgres_clones is not None
    with postgres_clones.take() as url:
        yield from _open(url)


@pytest.fixture(params=KINDS)
def conn(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """One open transaction that writes; nothing of it stays, so tests share the database, which costs them no time."""
    engine = request.getfixturevalue(f"shared_{request.param}")
    with suppress(Undo), db.write(engine) as conn:
        yield conn
        raise Undo


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    yield from _open(database_url)


@pytest.fixture
def api(engine: Engine, tmp_path: Path) -> Iterator[Api]:
    """The application on a database of its own, at `tests.support.store.NOW`."""
    made = Api(engine, tmp_path)
    yield made
    made.close()


def _open(url: str) -> Iterator[Engine]:
    engine = db.make_engine(url, busy_seconds=20)
    yield engine
    engine.dispose()
