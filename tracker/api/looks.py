"""The decision ledger of a run."""

from __future__ import annotations

from flask import Blueprint

from keepbest.contract.looks import LookPage
from tracker.api.envelope import speaks
from tracker.api.queries import After, next_cursor
from tracker.db import Connection
from tracker.store import looks, runs, segments

blueprint = Blueprint("looks", __name__)


@blueprint.get("/runs/<run>/looks")
@speaks(LookPage, query=After)
def list_looks(conn: Connection, run: str, query: After) -> LookPage:
    """List a run's looks with what was decided at each, in the order in which they were taken."""
    pk = runs.get_run(conn, run).pk
    found = looks.list_looks(conn, pk, segments.read_path(conn, pk), after=query.seq, limit=query.limit)
    return LookPage(looks=found, cursor=next_cursor([look.seq for look in found], query.limit))
