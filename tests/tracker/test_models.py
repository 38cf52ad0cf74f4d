"""What the tables' own types promise, on each database."""

from __future__ import annotations

import math

import pytest
from sqlalchemy import Connection, select

from tests.support import store
from tracker.models import RunTable


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.1 + 0.2, None])
def test_a_float_comes_back_as_it_was(conn: Connection, value: float | None) -> None:
    """SQLite turns a bound NaN into NULL (seen: a batch with a NaN loss was refused, for its last value was null)."""
    run = store.submit(conn)
    conn.execute(RunTable.__table__.update().where(RunTable.pk == run.pk).values(last_value=value))  # type: ignore[attr-defined]

    found = conn.execute(select(RunTable.last_value).where(RunTable.pk == run.pk)).scalar_one()

    assert repr(found) == repr(value)
