"""Pages of runs: every order, every cursor, while runs come and change; hostile texts find nothing they should not."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import Connection, delete, event, update

from keepbest.errors import InvalidInput, NotFound
from keepbest.status import RunState
from tests.support.store import NOW, later, submit
from tracker.models import RunTable
from tracker.store import cursors, deletions, run_listing, runs
from tracker.store.run_listing import RunFilter

VALUES = [0.5, None, 0.25, math.nan, 0.5, math.inf, -math.inf, None, 0.1 + 0.2]


def fill(conn: Connection, values: list[Any] = VALUES) -> list[str]:
    """Queue runs with these values as their last and (where finite) best; return their ids."""
    ids = []
    for number, value in enumerate(values):
        run = submit(conn, name=f"run {number % 3}")
        known = {"last_value": value, "best_value": value if value is None or math.isfinite(value) else None}
        known |= {"step": number % 4 or None, "started_at": NOW, "ended_at": later(number % 5) if number % 2 else None}
        conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(**known, updated_at=later(number % 2)))
        ids.append(run.id)
    return ids


def walk(conn: Connection, wanted: RunFilter, limit: int) -> list[str]:
    """Return the ids of every page in turn."""
    found: list[str] = []
    cursor = None
    while True:
        page = run_listing.list_runs(conn, wanted, cursor=cursor, limit=limit)
        assert (page.total is None) == (cursor is not None)
        found += [run.id for run in page.runs]
        cursor = page.cursor
        if cursor is None:
            return found
        assert len(page.runs) == limit


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", run_listing.SORTS)
def test_pages_together_hold_every_run_once_in_one_order(conn: Connection, sort: str, order: Any) -> None:
    ids = fill(conn)
    wanted = RunFilter(sort=sort, order=order)
    whole = walk(conn, wanted, 100)
    assert sorted(whole) == sorted(ids)
    assert all(walk(conn, wanted, limit) == whole for limit in (1, 2, 3, 8))


def test_numbers_come_first_then_those_without_newest_first(conn: Connection) -> None:
    ids = fill(conn)
    down = walk(conn, RunFilter(sort="last", order="desc"), 100)
    assert [ids.index(id) for id in down] == [5, 4, 0, 8, 2, 6, 7, 3, 1]
    up = walk(conn, RunFilter(sort="last", order="asc"), 100)
    assert [ids.index(id) for id in up] == [6, 2, 8, 0, 4, 5, 7, 3, 1]


def test_runs_that_come_meanwhile_shift_nothing(conn: Connection) -> None:
    before = fill(conn, [0.1, 0.2, 0.3, None])
    first = run_listing.list_runs(conn, RunFilter(sort="best"), cursor=None, limit=2)
    fill(conn, [0.25, 0.05, 0.4, None])
    second = run_listing.list_runs(conn, RunFilter(sort="best"), cursor=first.cursor, limit=100)
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
    wanted = RunFilter(sort="last_value")
    page = run_listing.list_runs(conn, wanted, cursor=None, limit=limit)
    fill(conn, more)
    seen = [run.id for run in page.runs]
    while page.cursor:
        page = run_listing.list_runs(conn, wanted, cursor=page.cursor, limit=limit)
        seen += [run.id for run in page.runs]
    assert sorted(id for id in seen if id in before) == sorted(before)
    assert len(seen) == len(set(seen))


def test_filters_leave_what_is_wanted(conn: Connection) -> None:
    here = submit(conn, project="a")
    there = submit(conn, project="b", name="Long Lauf", notes="50% off", tags=["x", "Schnö"])
    runs.move_run(conn, there, RunState.CANCELLED, now=NOW)
    found = {
        "project": walk(conn, RunFilter(project="a"), 10),
        "state": walk(conn, RunFilter(states=[RunState.CANCELLED, RunState.FAILED]), 10),
        "name": walk(conn, RunFilter(search="lauf"), 10),
        "id": walk(conn, RunFilter(search=there.id[:6]), 10),
        "percent": walk(conn, RunFilter(search="0% o"), 10),
        "tag": walk(conn, RunFilter(search="HNö"), 10),
    }
    assert found.pop("project") == [here.id]
    assert all(ids == [there.id] for ids in found.values()), found


@pytest.mark.parametrize("search", ["%", "_", "\\", "' OR 1=1 --", "%' --", "nothing here", "[", '"'])
def test_a_search_is_text_and_no_pattern(conn: Connection, search: str) -> None:
    submit(conn, name="plain")
    assert walk(conn, RunFilter(search=search), 10) == []


def test_deleted_runs_are_not_listed_nor_counted(conn: Connection) -> None:
    deletions.delete_run(conn, submit(conn), user="ada", now=NOW)
    kept = submit(conn)
    page = run_listing.list_runs(conn, RunFilter(), cursor=None, limit=10)
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
        run_listing.list_runs(conn, RunFilter(sort="best"), cursor=cursor, limit=10)
    assert raised.value.field == "cursor"


def test_an_unknown_order_or_project_names_the_nearest(conn: Connection) -> None:
    submit(conn, project="digits")
    for wanted, error in [(RunFilter(sort="bset"), InvalidInput), (RunFilter(project="digit"), NotFound)]:
        with pytest.raises(error) as raised:
            run_listing.list_runs(conn, wanted, cursor=None, limit=10)
        assert "Did you mean" in str(raised.value.hint)


def test_a_page_takes_as_few_statements_for_any_number_of_runs(conn: Connection) -> None:
    counted = []
    for count in (1, 9):
        fill(conn, [0.5] * count)
        statements: list[str] = []
        listener = lambda *told, into=statements: into.append(told[2])  # noqa: E731
        event.listen(conn, "before_cursor_execute", listener)
        run_listing.list_runs(conn, RunFilter(project="default", sort="best"), cursor=None, limit=50)
        event.remove(conn, "before_cursor_execute", listener)
        counted.append(len(statements))
    assert counted[0] == counted[1] <= 4


@pytest.mark.parametrize("value", ["a\0b", "\ud800", 1, "yesterday"])
@pytest.mark.parametrize("sort", ["name", "updated"])
def test_a_value_that_no_column_holds_is_refused(conn: Connection, sort: str, value: Any) -> None:
    submit(conn)
    if (sort, value) == ("name", "yesterday"):
        return
    with pytest.raises(InvalidInput):
        run_listing.list_runs(conn, RunFilter(sort=sort), cursor=cursors.write(f"{sort}.desc", [0, value, 1]), limit=10)
