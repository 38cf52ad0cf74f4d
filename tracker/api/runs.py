"""Runs: submits, lists, shows, changes, cancels and deletes them."""

from __future__ import annotations

from typing import Literal

from flask import Blueprint, request
from pydantic import Field

from keepbest.contract.base import Shape
from keepbest.contract.provenance import Provenance
from keepbest.contract.runs import Run, RunPage, RunPatch, RunRequest, SegmentList, TestResultList
from keepbest.contract.search import RunGroups
from keepbest.errors import InvalidInput
from keepbest.hints import nearest
from keepbest.query import terms
from keepbest.query.lexer import MAX_LENGTH
from keepbest.query.parser import parse
from keepbest.query.terms import Condition, Term
from keepbest.status import RunState
from tracker.api.access import principal
from tracker.api.envelope import now, route_schema
from tracker.db import Connection
from tracker.store import commands, deletions, pace, provenance, runs, segments, shares, submissions, test_results
from tracker.store.search import groups, listing
from tracker.store.search.listing import RunSearch

blueprint = Blueprint("runs", __name__)

IDEMPOTENCY_HEADER = "Idempotency-Key"
MAX_KEY = 200


class RunQuery(Shape):
    """Which runs, in which order; `state` names states separated by commas, `q` is a filter or plain words."""

    project: str | None = Field(default=None, max_length=100)
    state: str | None = Field(default=None, max_length=200)
    q: str | None = Field(default=None, max_length=MAX_LENGTH)
    sort: str = Field(
        default="created", max_length=250, description="a column, `params.x`, `metrics.y` or `metrics.y.last`"
    )
    order: Literal["asc", "desc"] = "desc"
    columns: str | None = Field(
        default=None, max_length=8000, description="what each run's `values` hold, separated by commas"
    )
    count: bool = Field(default=False, description="count all that match, up to 10,000")
    cursor: str | None = Field(default=None, max_length=2000)
    limit: int = Field(default=50, ge=1, le=500)


@blueprint.get("/runs")
@route_schema(RunPage, query=RunQuery)
def list_runs(conn: Connection, query: RunQuery) -> RunPage:
    """List runs, the newest first unless `sort` says otherwise; runs without a value there come last."""
    text = query.q or ""
    columns = listing.split_columns(query.columns or "")
    search = RunSearch(query.project, _read_term(text, query.state), text, query.sort, query.order, columns)
    user = principal()
    page = listing.list_runs(conn, search, cursor=query.cursor, limit=query.limit, count=query.count, principal=user)
    return page.model_copy(update={"runs": [shares.narrow_run(run, user) for run in page.runs]})


class GroupQuery(Shape):
    """Which runs, the fields to group them by, and the metric to compare the groups by."""

    project: str | None = Field(default=None, max_length=100)
    state: str | None = Field(default=None, max_length=200)
    q: str | None = Field(default=None, max_length=MAX_LENGTH)
    by: str = Field(max_length=2000, description="1 to 5 fields separated by commas: `params.units,recipe,variant`")
    metric: str | None = Field(
        default=None, max_length=250, description="as in `sort`; without one, the best of each run's monitored metric"
    )
    limit: int = Field(default=100, ge=1, le=1000)


@blueprint.get("/runs/groups")
@route_schema(RunGroups, query=GroupQuery)
def group_runs(conn: Connection, query: GroupQuery) -> RunGroups:
    """Group runs by parameters, tags, sweep, recipe or variant, with the median and range of a metric."""
    text = query.q or ""
    search = RunSearch(query.project, _read_term(text, query.state), text, columns=listing.split_columns(query.by))
    return groups.group_runs(conn, search, query.metric, limit=query.limit, principal=principal())


@blueprint.post("/runs")
@route_schema(Run, body=RunRequest, status=201)
def submit_run(conn: Connection, body: RunRequest) -> Run:
    """Queue a run. Sent again under the same `Idempotency-Key`, it is the same run."""
    return runs.show_run(submissions.submit(conn, body, user=principal().user, key=read_key(), now=now()))


@blueprint.get("/runs/<run>")
@route_schema(Run)
def show_run(conn: Connection, run: str) -> Run:
    """Show one run; `run` is its id or the first letters of it, here and below."""
    shown = shares.narrow_run(runs.show_run(runs.get_run(conn, run)), principal())
    return pace.add_pace(conn, [shown])[0]


@blueprint.patch("/runs/<run>")
@route_schema(Run, body=RunPatch)
def change_run(conn: Connection, run: str, body: RunPatch) -> Run:
    """Change a run's name, notes, tags, color or priority."""
    row = runs.get_run(conn, run, lock=True)
    return runs.show_run(runs.patch_run(conn, row, body, user=principal().user, now=now()))


@blueprint.delete("/runs/<run>")
@route_schema(None, status=204)
def delete_run(conn: Connection, run: str) -> None:
    """Take a run out of every list; refused while a worker holds it.

    It can be brought back, with its files for as long as the trash keeps them.
    """
    deletions.delete_run(conn, runs.get_run(conn, run, lock=True), user=principal().user, now=now())


@blueprint.post("/runs/<run>/cancel")
@route_schema(Run)
def cancel_run(conn: Connection, run: str) -> Run:
    """Cancel a run: at once when nobody holds it, else by a command to its trainer."""
    row = runs.get_run(conn, run, lock=True)
    return runs.show_run(commands.cancel_run(conn, row, user=principal().user, now=now()))


@blueprint.get("/runs/<run>/segments")
@route_schema(SegmentList)
def list_segments(conn: Connection, run: str) -> SegmentList:
    """List the stretches of a run between its jumps."""
    return SegmentList(segments=segments.list_segments(conn, runs.get_run(conn, run).pk))


@blueprint.get("/runs/<run>/test-results")
@route_schema(TestResultList)
def list_test_results(conn: Connection, run: str) -> TestResultList:
    """List every measurement of the test set, oldest first: one for each time that the run came to its end."""
    return TestResultList(test_results=test_results.list_test_results(conn, runs.get_run(conn, run).pk))


@blueprint.get("/runs/<run>/provenance")
@route_schema(Provenance)
def show_provenance(conn: Connection, run: str) -> Provenance:
    """Show how a run came about: packages, and the changes of its code that were not committed."""
    return provenance.get_provenance(conn, runs.get_run(conn, run).pk)


def read_key() -> str | None:
    """Return the request's idempotency key; raises InvalidInput for one that is not printable or too long."""
    key = request.headers.get(IDEMPOTENCY_HEADER) or None
    if key is not None and (len(key) > MAX_KEY or not key.isprintable()):
        raise InvalidInput(f"{IDEMPOTENCY_HEADER} is at most {MAX_KEY} printable characters.", field=IDEMPOTENCY_HEADER)
    return key


def _read_term(text: str, states: str | None) -> Term | None:
    """Return the filter together with the states."""
    term, wanted = parse(text, now()), tuple(state.value for state in _read_states(states))
    parts = [] if term is None else [term]
    if wanted:
        parts.append(Condition(terms.Field("column", "state"), "in", wanted))
    return terms.all_of(parts) if parts else None


def _read_states(text: str | None) -> list[RunState]:
    known = {state.value: state for state in RunState}
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise InvalidInput(f"There is no state {name!r}.", field="state", hint=nearest(name, known))
    return [known[name] for name in names]
