"""Groups of runs: what they count, the median and range of a metric, the best of each, and fields of every kind."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, insert, update

from keepbest.contract.base import new_id
from keepbest.contract.search import RunGroups
from keepbest.errors import InvalidInput
from keepbest.query.terms import Words
from tests.support.statements import count_statements
from tests.support.store import NOW, submit_external
from tests.tracker.store.metrics.test_metrics import points
from tracker.models import RunTable, UserTable
from tracker.store.metrics import metrics
from tracker.store.metrics.metrics import Column
from tracker.store.search import groups, names
from tracker.store.search.listing import RunSearch
from tracker.store.search.scope import open_scope

VALUES = [("a", 0.5, 1), ("a", 0.25, 2), ("a", None, 3), ("b", 4.0, 1), (None, 1.0, 1)]


def fill(conn: Connection) -> list[str]:
    ids = []
    for depth, loss, seed in VALUES:
        tags = ["t", "u"] if depth == "a" else []
        run = submit_external(conn, parameters={"depth": depth, "seed": seed, "rate": 0.1}, tags=tags)
        conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(best_value=loss, mode="max"))
        if loss is not None:
            metrics.add_columns(conn, run, [Column(0, "loss", points([1], [loss]))], newest=True)
        ids.append(run.id)
    return ids


def group(conn: Connection, *by: str, metric: str | None = None, limit: int = 10, words: str = "") -> RunGroups:
    term = Words(words) if words else None
    return groups.group_runs(conn, RunSearch(columns=by, term=term), metric, limit=limit)


def test_a_group_has_count_median_range_and_best(conn: Connection) -> None:
    ids = fill(conn)
    known = group(conn, "params.depth", metric="loss")
    assert (known.mode, known.is_cut) == ("min", False)
    first = known.groups[0]
    assert (first.values, first.count, first.measured) == ({"params.depth": "a"}, 3, 2)
    assert (first.median, first.min, first.max) == (0.375, 0.25, 0.5)
    assert (first.best_run, first.best_value) == (ids[1], 0.25)
    assert {item.values["params.depth"]: item.count for item in known.groups} == {"a": 3, "b": 1, None: 1}


def test_without_a_metric_the_monitored_ones_best_counts(conn: Connection) -> None:
    ids = fill(conn)
    known = group(conn, "params.depth")
    assert (known.mode, known.groups[0].best_run) == ("max", ids[0])


def test_runs_that_differ_by_seed_alone_are_one_group(conn: Connection) -> None:
    fill(conn)
    assert [item.count for item in group(conn, "variant").groups] == [3, 1, 1]


def test_a_run_with_two_tags_is_in_two_groups(conn: Connection) -> None:
    fill(conn)
    assert {item.values["tag"]: item.count for item in group(conn, "tag").groups} == {"t": 3, "u": 3, None: 2}


def test_a_filter_and_a_limit_leave_groups_out(conn: Connection) -> None:
    fill(conn)
    assert [item.count for item in group(conn, "state", words="depth=a").groups] == [3]
    known = group(conn, "params.depth", limit=1)
    assert (len(known.groups), known.is_cut) == (1, True)
    assert group(conn, "params.depth", words="nothing").groups == []


def test_too_many_runs_or_fields_are_refused(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(conn)
    for by in ((), ("state",) * 6):
        with pytest.raises(InvalidInput, match="1 to 5"):
            group(conn, *by)
    monkeypatch.setattr(groups, "MAX_RUNS", 2)
    with pytest.raises(InvalidInput, match="More than 2 runs"):
        group(conn, "state")


def test_tags_that_make_too_many_groups_are_refused(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        submit_external(conn, tags=[f"a={number}" for number in range(50)])
    by = ("tag", "tags", "tags.a", "tag.a", "state")
    with pytest.raises(InvalidInput, match="500,000") as raised:
        group(conn, *by)
    assert (raised.value.field, raised.value.hint is not None) == ("by", True)
    monkeypatch.setattr(groups, "MAX_MEMBERS", 100)
    assert len(group(conn, "tag", limit=100).groups) == 50
    monkeypatch.setattr(groups, "MAX_MEMBERS", 99)
    with pytest.raises(InvalidInput, match="99"):
        group(conn, "tag")


def test_names_are_those_of_one_project_or_of_all(conn: Connection) -> None:
    fill(conn)
    submit_external(conn, project="other", parameters={"wide": True, "rate": "x"}, tags=["v"])
    every, other = (names.list_fields(conn, open_scope(conn, project, None)) for project in (None, "other"))
    assert [item.key for item in every.parameters] == ["depth", "rate", "seed", "wide"]
    assert {item.key: (item.values, item.differs) for item in other.parameters} == {
        "rate": (["x"], False),
        "wide": ([True], False),
    }
    assert (every.tags, other.tags) == (["t", "u", "v"], ["v"])
    assert [(item.key, item.mode) for item in every.metrics] == [("loss", "min")]
    assert every.users == other.users == ["ada"]
    assert names.list_known(conn, open_scope(conn, "other", None)).metrics == []


def test_names_take_as_few_statements_for_any_number(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for parameters in (1, 40):
        project = f"p{parameters}"
        given = {f"p{number:02}": number for number in range(parameters)}
        for number in range(8):
            submit_external(conn, project=project, parameters={**given, "same": 1, "mixed": number or "x"})
        with count_statements(conn) as statements:
            fields = names.list_fields(conn, open_scope(conn, project, None))
        counts.append(len(statements))
        known = {item.key: (item.values, item.differs) for item in fields.parameters}
        assert known["same"] == ([1], False)
        assert known["mixed"] == ([1, 2, 3, 4, 5], True)
        assert [known[key] for key in given] == [([value], False) for value in given.values()]
    assert counts[0] == counts[1] <= 11


def test_names_leave_out_other_peoples_and_the_machines(conn: Connection) -> None:
    run = submit_external(conn)
    metrics.add_columns(conn, run, [Column(0, key, points([1], [1.0])) for key in ("loss", "system/cpu")], newest=True)
    conn.execute(insert(UserTable).values(id=new_id(), name="eve", role="member", created_at=NOW))
    fields = names.list_fields(conn, open_scope(conn, "default", None))
    assert ([item.key for item in fields.metrics], fields.users) == (["loss"], ["ada"])
    assert set(names.list_known(conn, open_scope(conn, "default", None)).metrics) == {"loss", "system/cpu"}
