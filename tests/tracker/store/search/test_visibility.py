"""Every answer about several runs goes through one condition, and no house above the store asks the tables itself."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from keepbest.query.terms import Condition, Field, Term, Words
from tests.support.architecture import read_sources
from tests.support.processes import ROOT
from tests.support.store import submit_external
from tracker.models import RunTable
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
    monkeypatch.setattr(scope, "visible", lambda _principal: RunTable.name != "run hidden")
    for bound in (500, 0):
        monkeypatch.setattr(plan, "_LEAST_BOUND", bound)
        page = listing.list_runs(conn, RunSearch(term=term, sort=sort), cursor=None, limit=10, count=True)
        assert ([run.name for run in page.runs], page.total) == (["run 3", "run 1"], 2)
        (group,) = groups.group_runs(conn, RunSearch(term=term, columns=["state"]), None, limit=10).groups
        assert group.count == 2


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
