"""Every answer about several runs goes through one condition, and no house above the store asks the tables itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import ColumnElement, Connection, true, update

from keepbest.query.terms import Condition, Field, Term, Words
from tests.support.architecture import read_sources
from tests.support.processes import ROOT
from tests.support.store import ADA, NOW, submit_external
from tests.support.visible import find_own_rules, find_unseen
from tracker.models import RunTable
from tracker.store import queue, replay_records, runs, storage
from tracker.store.access.users import Principal
from tracker.store.search import groups, listing, plan, scope
from tracker.store.search.listing import RunSearch

TERMS: list[Term | None] = [None, Words("run"), Condition(Field("parameter", "rate"), "=", (1.0,))]


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("sort", ["created", "best", "params.rate"])
def test_a_run_that_is_not_visible_is_in_no_answer(
    conn: Connection, monkeypatch: pytest.MonkeyPatch, term: Term | None, sort: str
) -> None:
    for name in ("run 1", "run hidden", "run 3"):
        submit_external(conn, name=name, parameters={"rate": 1})
    monkeypatch.setattr(scope, "visible", lambda *_: RunTable.name != "run hidden")
    for bound in (500, 0):
        monkeypatch.setattr(plan, "_LEAST_BOUND", bound)
        page = listing.list_runs(conn, RunSearch(term=term, sort=sort), cursor=None, limit=10, count=True)
        assert ([run.name for run in page.runs], page.total) == (["run 3", "run 1"], 2)
        (group,) = groups.group_runs(conn, RunSearch(term=term, columns=["state"]), None, limit=10).groups
        assert group.count == 2


#: Queries that need no condition of their own, by the reason.
UNSEEN = {
    "the caller adds the condition to the query": {
        "artifacts._select", "checkpoints._select", "runs.select_runs", "runs.select_for_list",
        "runs.select_with_failed", "runs._find", "search.compile._of_run", "search.fields.value_of",
        "search.sorts._has_none", "sweeps.sweeps._trial_runs", "deletions.check_pins", "shares.end_for_runs",
        "registry.logged_models._select",
    },
    "a run that has an alias cannot be deleted": {"aliases._select"},
    "the numbers or ids are those of runs that met it": {
        "per_example.read_examples", "per_example._check_size", "projects._read_newest", "replay_records._group",
        "reported.reading.read_rows",
    },
    "the plan checks whatever the drive names": {"search.drive._find_ids"},
    "names are those of a project": {"search.names.list_fields"},
    "the service looks, for its own work": {
        "artifacts._read", "artifacts._find_own", "leases.find_granted", "leases.expire_leases",
        "project_deletions.list_runs", "queue._make_place", "retention._read", "workers.count_busy",
        "workers.list_workers", "reported.runs.cancel_running",
    },
    "a user's own key": {"submissions.find_known"},
}  # fmt: skip


def test_each_query_on_runs_has_the_condition_or_a_reason() -> None:
    sources = read_sources(ROOT, "tracker")
    assert set(find_unseen(sources)) == set().union(*UNSEEN.values())
    assert list(find_own_rules(sources)) == []


QUERIES = [
    ("select(RunTable.id).where(RunTable.state == 'queued')", True),
    ("select(RunTable.id).join(RunTable, LeaseTable.run_pk == RunTable.pk)", True),
    ("runs.select_for_list().limit(10)", True),
    ("select(RunTable.id).where(visible(principal))", False),
    ("select(RunTable.id).where(*scope.holds())", False),
    ("select(RunTable.id).where(RunTable.pk == run.pk)", False),
    ("select(ProjectTable.pk)", False),
]


@pytest.mark.parametrize(("query", "is_unseen"), QUERIES)
def test_a_query_without_the_condition_is_found(query: str, is_unseen: bool) -> None:
    sources = {"tracker.store.it": f"def list_all(conn):\n    return conn.execute({query})"}
    assert list(find_unseen(sources)) == (["it.list_all"] if is_unseen else [])


def test_a_rule_of_ones_own_is_found() -> None:
    assert list(find_own_rules({"tracker.store.it": "x = RunTable.deleted_at.is_(None)"})) == ["tracker.store.it"]
    assert list(find_own_rules({"tracker.store.it": "x = ProjectTable.deleted_at.is_(None)"})) == []


def test_a_hidden_run_is_in_no_answer_about_several(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [submit_external(conn, name=name, project="p").id for name in ("run 1", "run hidden")]
    conn.execute(update(RunTable).values(validations=1))

    def see(principal: Principal | None) -> ColumnElement[bool]:
        return RunTable.name != "run hidden" if principal is ADA else true()

    for module in (runs, queue, replay_records):
        monkeypatch.setattr(module, "visible", see)
    monkeypatch.setattr(storage, "in_trash", see)
    for principal, seen in ((ADA, ids[:1]), (None, ids)):
        conn.execute(update(RunTable).values(deleted_at=None))
        answers: list[Any] = [
            runs.find_runs(conn, ids, principal=principal),
            runs.find_whole_runs(conn, ids, principal=principal),
            queue.list_queue(conn, 10, principal=principal).runs,
            replay_records.find_runs(conn, [], "p", 10, principal=principal),
        ]
        conn.execute(update(RunTable).values(deleted_at=NOW))
        answers.append(storage.list_deleted(conn, keeps=timedelta(0), cursor=None, limit=9, principal=principal).runs)
        for answer in answers:
            assert sorted(run.id for run in answer) == sorted(seen)


def test_only_the_store_asks_the_table_of_runs() -> None:
    above = ("tracker.api", "tracker.services", "tracker.scheduler", "tracker.app", "tracker.server")
    sources = read_sources(ROOT, "tracker")
    assert [name for name, source in sources.items() if name.startswith(above) and "RunTable" in source] == []


def test_each_query_of_the_search_is_of_a_scope() -> None:
    """What reads `runs` there names the scope's condition, or the numbers of runs that met it."""
    sources = read_sources(ROOT, "tracker")
    for name in ("plan", "groups", "listing"):
        source = sources[f"tracker.store.search.{name}"]
        selects = [part.split("\n\n")[0] for part in source.split("select(RunTable")[1:]]
        assert all(".holds()" in part or ".among(" in part or "conditions" in part for part in selects), name
