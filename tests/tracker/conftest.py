"""A store of a test's own, on each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from tests.support.api import Api
from tracker import db


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = db.make_engine(database_url, busy_seconds=20)
    yield engine
    engine.dispose()


@pytest.fixture
def conn(engine: Engine) -> Iterator[Connection]:
    """One open transaction that writes, committed at the end of the test."""
    with db.write(engine) as conn:
        yield conn


@pytest.fixture
def api(engine: Engine, tmp_path: Path) -> Api:
    """The application on a database of its own, at `tests.support.store.NOW`."""
    return Api(engine, tmp_path)
