"""The decision log of a run."""

from __future__ import annotations

from flask import Blueprint

from keepbest.contract.validations import ValidationPage
from tracker.api.envelope import route_schema
from tracker.api.queries import After, next_cursor
from tracker.db import Connection
from tracker.store import per_example, runs, segments, validations

blueprint = Blueprint("validations", __name__)

#: Validations on a page with the result of each example: 5 MB at most.
MAX_WITH_EXAMPLES = 20


class ValidationQuery(After):
    examples: bool = False


@blueprint.get("/runs/<run>/validations")
@route_schema(ValidationPage, query=ValidationQuery)
def list_validations(conn: Connection, run: str, query: ValidationQuery) -> ValidationPage:
    """List a run's validations with what was decided at each, in the order in which they were taken.

    `examples=true` adds what each example did, and makes a page short.
    """
    pk = runs.get_run(conn, run).pk
    limit = min(query.limit, MAX_WITH_EXAMPLES) if query.examples else query.limit
    result = validations.list_validations(conn, pk, segments.read_path(conn, pk), after=query.seq, limit=limit)
    cursor = next_cursor([validation.seq for validation in result], limit)
    return ValidationPage(validations=per_example.add_to(conn, pk, result) if query.examples else result, cursor=cursor)
