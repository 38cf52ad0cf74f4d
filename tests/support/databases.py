"""`database_url`: a database with the current schema, on SQLite and on Postgres; every test gets its own.

Alembic makes the schema once in a session; tests get copies: of a file on SQLite, of a template database on Postgres.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import Clones, need_postgres, new_database, server_url

KINDS = ("sqlite", "postgres")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "tracker.db"
    _upgrade(f"sqlite:///{path}")
    leftovers = [name for name in path.parent.iterdir() if name != path]
    assert not leftovers, f"tracker.db.upgrade left its connection open: {leftovers}"
    return path


@pytest.fixture(scope="session")
def postgres_clones() -> Iterator[Clones | None]:
    """Databases with the current schema; None where no server answers: `need_postgres` then skips the test."""
    if server_url() is None:
        yield None
        return
    with new_database() as url:
        _upgrade(url)
        clones = Clones(url)
        yield clones
        clones.close()


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "tracker.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_clones: Clones | None) -> Iterator[str]:
    need_postgres()
    assert postgres_clones is not None
    with postgres_clones.take() as url:
        yield url


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a database with the current schema."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture(params=KINDS)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    with new_database() as url:
        yield url


def _upgrade(url: str) -> None:
    from tracker import db  # tests that need no database load no SQLAlchemy

    db.upgrade(url)
