"""Pages of runs: every order, every cursor, while runs come and change; hostile texts find nothing they should not."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import Connection, delete, update

from keepbest.errors import InvalidInput, NotFound
from keepbest.query.columns import COLUMNS
from keepbest.query.terms import Condition, Field, Words
from keepbest.status import RunState
from tests.support.statements import count_statements
from tests.support.store import NOW, later, submit, submit_external
from tests.tracker.store.metrics.test_metrics import points
from tracker.models import RunTable
from tracker.store import cursors, deletions, runs
from tracker.store.metrics import metrics
from tracker.store.metrics.metrics import Column
from tracker.store.search import listing, plan
from tracker.store.search.listing import RunSearch

SORTS = [*COLUMNS, "last_value", "patience", "metrics.loss", "metrics.loss.last", "params.units", "params.mixed"]
SORTS.remove("notes")
MIXED = [1, "x", None, "0.5", 3]
VALUES = [0.5, None, 0.25, math.nan, 0.5, math.inf, -math.inf, None, 0.1 + 0.2]


def fill(conn: Connection, values: list[Any] = VALUES) -> list[str]:
    """Queue runs with these values as their last and (where finite) best; return their ids."""
    ids = []
    for number, value in enumerate(values):
        parameters = {"units": number, "mixed": MIXED[number % len(MIXED)]}
        run = submit_external(conn, name=f"run {number % 3}", parameters=parameters)
        if number % 4:
            metrics.add_columns(conn, run, [Column(0, "loss", points([1], [value or 0.0]))], newest=True)
        known = {"last_value": value, "best_value": value if value is None or math.isfinite(value) else None}
        known |= {"step": number % 4 or None, "started_at": NOW, "ended_at": later(number % 5) if number % 2 else None}
        conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(**known, updated_at=later(number % 2)))
        ids.append(run.id)
    return ids


def walk(conn: Connection, wanted: RunSearch, limit: int) -> list[str]:
    """Return the ids of every page in turn."""
    found: list[str] = []
    cursor = None
    while True:
        page = listing.list_runs(conn, wanted, cursor=cursor, limit=limit)
        found += [run.id for run in page.runs]
        cursor = page.cursor
        if cursor is None:
            return found
        assert len(page.runs) == limit


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", SORTS)
def test_pages_together_hold_every_run_once_in_one_order(conn: Connection, sort: str, order: Any) -> None:
    ids = fill(conn)
    wanted = RunSearch(sort=sort, order=order)
    whole = walk(conn, wanted, 100)
    assert sorted(whole) == sorted(ids)
    assert all(walk(conn, wanted, limit) == whole for limit in (1, 2, 3, 8))


def test_numbers_come_first_then_those_without_newest_first(conn: Connection) -> None:
    ids = fill(conn)
    down = walk(conn, RunSearch(sort="last", order="desc"), 100)
    assert [ids.index(id) for id in down] == [5, 4, 0, 8, 2, 6, 7, 3, 1]
    up = walk(conn, RunSearch(sort="last", order="asc"), 100)
    assert [ids.index(id) for id in up] == [6, 2, 8, 0, 4, 5, 7, 3, 1]


def test_runs_that_come_meanwhile_shift_nothing(conn: Connection) -> None:
    before = fill(conn, [0.1, 0.2, 0.3, None])
    first = listing.list_runs(conn, RunSearch(sort="best"), cursor=None, limit=2)
    fill(conn, [0.25, 0.05, 0.4, None])
    second = listing.list_runs(conn, RunSearch(sort="best"), cursor=first.cursor, limit=100)
    seen = [run.id for run in (*first.runs, *second.runs)]
    assert [id for id in seen if id in before] == [before[2], before[1], before[0], before[3]]
    assert len(seen) == len(set(seen))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=some.lists(some.none() | some.floats(allow_nan=True), max_size=12),
    more=some.lists(some.none() | some.floats(allow_nan=True), max_size=3),
    limit=some.integers(1, 5),
)
def test_no_run_is_lost_or_doubled_while_others_come(
    conn: Connection, values: list[float | None], more: list[float | None], limit: int
) -> None:
    conn.execute(delete(RunTable))
    before = fill(conn, values)
    wanted = RunSearch(sort="last_value")
    page = listing.list_runs(conn, wanted, cursor=None, limit=limit)
    fill(conn, more)
    seen = [run.id for run in page.runs]
    while page.cursor:
        page = listing.list_runs(conn, wanted, cursor=page.cursor, limit=limit)
        seen += [run.id for run in page.runs]
    assert sorted(id for id in seen if id in before) == sorted(before)
    assert len(seen) == len(set(seen))


def test_filters_leave_what_is_wanted(conn: Connection) -> None:
    here = submit(conn, project="a")
    there = submit(conn, project="b", name="Long Lauf", notes="50% off", tags=["x", "Schnö"])
    runs.move_run(conn, there, RunState.CANCELLED, now=NOW)
    found = {
        "project": walk(conn, RunSearch(project="a"), 10),
        "state": walk(conn, RunSearch(term=Condition(Field("column", "state"), "in", ("cancelled", "failed"))), 10),
        "name": walk(conn, RunSearch(term=Words("lauf")), 10),
        "id": walk(conn, RunSearch(term=Words(there.id[:6])), 10),
        "percent": walk(conn, RunSearch(term=Words("0% o")), 10),
        "tag": walk(conn, RunSearch(term=Words("HNö")), 10),
    }
    assert found.pop("project") == [here.id]
    assert all(ids == [there.id] for ids in found.values()), found


@pytest.mark.parametrize("search", ["%", "a_b", "\\", "' OR 1=1 --", "%' --", "nothing here", "[", '"'])
def test_a_search_is_text_and_no_pattern(conn: Connection, search: str) -> None:
    submit(conn, name="plain")
    assert walk(conn, RunSearch(term=Words(search)), 10) == []


def test_deleted_runs_are_not_listed_nor_counted(conn: Connection) -> None:
    deletions.delete_run(conn, submit(conn), user="ada", now=NOW)
    kept = submit(conn)
    page = listing.list_runs(conn, RunSearch(), cursor=None, limit=10, count=True)
    assert ([run.id for run in page.runs], page.total) == ([kept.id], 1)


NO_VALUES: list[Any] = ["x", None, {}, [], True, 10**30]
NO_PKS: list[Any] = ["1", None, 10**30, 0.5, True]
CURSORS = [
    *("x", "!!!", "a" * 999, "bnVsbA", "W10", "MTI", "e30"),
    cursors.write("created.desc", [0, 1]),
    cursors.write("best.asc", [0, 0.5, 1]),
    *(cursors.write("best.desc", [0, value, 1]) for value in NO_VALUES),
    *(cursors.write("best.desc", [0, 0.5, pk]) for pk in NO_PKS),
    cursors.write("best.desc", [7, 0.5, 1]),
]


@pytest.mark.parametrize("cursor", CURSORS)
def test_a_cursor_that_is_not_ours_is_refused(conn: Connection, cursor: str) -> None:
    submit(conn)
    with pytest.raises(InvalidInput) as raised:
        listing.list_runs(conn, RunSearch(sort="best"), cursor=cursor, limit=10)
    assert raised.value.field == "cursor"


def test_an_unknown_order_or_project_names_the_nearest(conn: Connection) -> None:
    submit(conn, project="digits")
    for wanted, error in [(RunSearch(sort="bset"), InvalidInput), (RunSearch(project="digit"), NotFound)]:
        with pytest.raises(error) as raised:
            listing.list_runs(conn, wanted, cursor=None, limit=10)
        assert "Did you mean" in str(raised.value.hint)


def test_a_page_takes_as_few_statements_for_any_number_of_runs(conn: Connection) -> None:
    counted = []
    for count in (1, 9):
        fill(conn, [0.5] * count)
        with count_statements(conn) as statements:
            listing.list_runs(conn, RunSearch(project="default", sort="best"), cursor=None, limit=50)
        counted.append(len(statements))
    assert counted[0] == counted[1] <= 7


@pytest.mark.parametrize("value", ["a\0b", "\ud800", 1, "yesterday"])
@pytest.mark.parametrize("sort", ["name", "updated"])
def test_a_value_that_no_column_holds_is_refused(conn: Connection, sort: str, value: Any) -> None:
    submit(conn)
    if (sort, value) == ("name", "yesterday"):
        return
    with pytest.raises(InvalidInput):
        listing.list_runs(conn, RunSearch(sort=sort), cursor=cursors.write(f"{sort}.desc", [0, value, 1]), limit=10)


def test_parameters_come_as_numbers_texts_and_none(conn: Connection) -> None:
    ids = fill(conn, [0.5] * 5)
    page = listing.list_runs(conn, RunSearch(sort="params.mixed", order="asc"), cursor=None, limit=10)
    assert [ids.index(run.id) for run in page.runs] == [3, 0, 4, 1, 2]


def test_a_list_shows_the_columns_that_it_was_asked_for(conn: Connection) -> None:
    run = submit_external(conn, parameters={"rate, a": 0.1}, tags=["a", "team=red"])
    metrics.add_columns(conn, run, [Column(0, "loss", points([1, 2], [0.25, math.nan]))], newest=True)
    columns = listing.split_columns(
        "params.`rate, a`, loss ,metrics.loss.last,tags.team,tag,state,created,sweep,variant"
    )
    page = listing.list_runs(conn, RunSearch(columns=columns), cursor=None, limit=10)
    values = page.runs[0].values
    assert list(values) == columns
    assert list(values.values())[:8] == [0.1, 0.25, None, ["red"], ["a", "team=red"], "queued", NOW, None]
    assert page.model_dump_json()


@pytest.mark.parametrize("columns", ["nothing", "metrics.nothing", ",".join(["state"] * 51)])
def test_a_column_that_no_run_has_is_refused(conn: Connection, columns: str) -> None:
    fill(conn, [0.5, 0.25])
    with pytest.raises(InvalidInput) as raised:
        listing.list_runs(conn, RunSearch(columns=listing.split_columns(columns)), cursor=None, limit=10)
    assert raised.value.field == "columns"


def test_a_count_stops_at_its_limit(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MAX_COUNT", 5)
    monkeypatch.setattr(plan, "_LEAST_BOUND", 0)
    fill(conn, [0.5] * 8)
    for term, count in ((None, (5, True)), (Words("run"), (5, True)), (Words("run 1"), (3, False))):
        page = listing.list_runs(conn, RunSearch(term=term), cursor=None, limit=2, count=True)
        assert (page.total, page.total_is_least) == count
