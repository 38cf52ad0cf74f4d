"""Driving: what the indexes name together, how few statements that takes, and whether a check is needed behind it."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, update

from keepbest.query.terms import And, Condition, Field, Not, Or, Term, Words
from tests.support.statements import count_statements
from tests.support.store import submit_external
from tests.tracker.store.metrics.test_metrics import points
from tracker.models import RunTable
from tracker.store.metrics import metrics
from tracker.store.metrics.metrics import Column
from tracker.store.search import drive
from tracker.store.search.drive import DrivenRuns, Driver
from tracker.store.search.scope import open_scope

LOSS = Condition(Field("metric", "loss"), "<", (5.0,))
LEAST = Condition(Field("metric", "loss", "min"), "<", (5.0,))
RATE = Condition(Field("parameter", "rate"), "in", (1.0, "x"))
RED = Condition(Field("tag", ""), "in", ("red", "team=red"))
NUMBER = Condition(Field("column", "number"), ">", (3.0,))
NOTES = Condition(Field("column", "notes"), "~", ("a",))

#: A filter, the numbers of the runs that the drive names for it (None: it cannot say), and whether they all match.
DRIVEN: list[tuple[Term, list[int] | None, bool]] = [
    (LOSS, [0, 1, 2, 3, 4], True),
    (And((LOSS, RATE)), [1, 2, 4], True),
    (And((RATE, LOSS, NUMBER)), [4], True),
    (Or((And((LOSS, RATE)), RED)), [0, 1, 2, 3, 4, 6, 9], True),
    (RED, [0, 3, 6, 9], True),
    (LEAST, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], False),
    (And((LEAST, RATE)), [1, 2, 4, 5, 7, 8], False),
    (And((Words("run"), LOSS)), [0, 1, 2, 3, 4], False),
    (And((NOTES, Not(LOSS))), None, False),
    (Or((LOSS, NOTES)), None, False),
]


@pytest.fixture
def pks(conn: Connection) -> list[int]:
    """Ten runs; the loss is the run's place, the rate 1, x, or none, and each third run has two red tags."""
    made = []
    for place in range(10):
        rate = [None, 1, "x"][place % 3]
        tags = [] if place % 3 else ["red", "team=red"]
        run = submit_external(conn, parameters={"rate": rate}, tags=tags)
        metrics.add_columns(conn, run, [Column(0, "loss", points([1], [float(place)]))], newest=True)
        made.append(run.pk)
    return made


@pytest.mark.parametrize("few", [drive.FEW, 0])
def test_the_drive_names_what_the_indexes_answer(
    conn: Connection, pks: list[int], monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(drive, "FEW", few)
    for term, places, is_exact in DRIVEN:
        driven = Driver(conn, open_scope(conn, None, None), 10).find(term)
        assert (driven is None) == (places is None), term
        if driven is None or places is None:
            continue
        named = {pks.index(pk) for pk in driven.pks}
        assert len(named) == len(driven.pks)
        assert named >= set(places), term
        if few == 0:
            assert (named, driven.is_exact) == (set(places), is_exact), term


COMMIT = "3f9ac0" + "0" * 34
COLUMNS: dict[str, list[str]] = {
    "commit": ["3f9a", "3F9AC0", COMMIT],
    "variant": ["v"],
    "user": ["eve"],
    "recipe": ["cnn"],
}


def test_columns_with_an_index_are_driven(conn: Connection, pks: list[int]) -> None:
    values = {"commit": COMMIT, "variant": "v", "created_by": "eve", "recipe": "cnn"}
    conn.execute(update(RunTable).where(RunTable.pk == pks[3]).values(values))
    for name, texts in COLUMNS.items():
        for text in texts:
            driven = Driver(conn, open_scope(conn, None, None), 5).find(Condition(Field("column", name), "=", (text,)))
            assert driven == DrivenRuns({pks[3]}, is_exact=True), (name, text)
        for text in ("3f9b", "x", "%", "3f9a" * 20):
            driven = Driver(conn, open_scope(conn, None, None), 5).find(Condition(Field("column", name), "=", (text,)))
            assert driven == DrivenRuns(frozenset(), is_exact=True), (name, text)


def test_each_condition_is_one_query_and_one_row(
    conn: Connection, pks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive, "FEW", 0)
    term = And((LOSS, Condition(Field("parameter", "rate"), "<", (2.0,)), NUMBER))
    scope = open_scope(conn, None, None)
    with count_statements(conn) as statements:
        driven = Driver(conn, scope, 10).find(term)
    assert driven is not None
    assert [pks.index(pk) for pk in driven.pks] == [4]
    assert len(statements) == 3
    assert all("json_group_array" in statement or "array_agg" in statement for statement in statements)


def test_more_runs_than_the_bound_are_not_named(
    conn: Connection, pks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive, "FEW", 0)
    scope = open_scope(conn, None, None)
    assert Driver(conn, scope, 4).find(LOSS) is None
    assert Driver(conn, scope, 5).find(LOSS) is not None
    assert Driver(conn, scope, 2).find(And((LOSS, RATE))) is None
    assert Driver(conn, scope, 3).find(And((LOSS, RATE))) is not None
