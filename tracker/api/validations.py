"""The decision ledger of a run."""

from __future__ import annotations

from flask import Blueprint

from keepbest.contract.validations import ValidationPage
from tracker.api.envelope import speaks
from tracker.api.queries import After, next_cursor
from tracker.db import Connection
from tracker.store import per_example, runs, segments, validations

blueprint = Blueprint("looks", __name__)

#: Looks of a page that says what each example did: 5 MB at most.
MAX_WITH_EXAMPLES = 20


class LookQuery(After):
    examples: bool = False


@blueprint.get("/runs/<run>/looks")
@speaks(ValidationPage, query=LookQuery)
def list_looks(conn: Connection, run: str, query: LookQuery) -> ValidationPage:
    """List a run's looks with what was decided at each, in the order in which they were taken.

    `examples=true` adds what each example did, and makes a page short.
    """
    pk = runs.get_run(conn, run).pk
    limit = min(query.limit, MAX_WITH_EXAMPLES) if query.examples else query.limit
    found = validations.list_looks(conn, pk, segments.read_path(conn, pk), after=query.seq, limit=limit)
    cursor = next_cursor([look.seq for look in found], limit)
    return ValidationPage(looks=per_example.add_to(conn, pk, found) if query.examples else found, cursor=cursor)
