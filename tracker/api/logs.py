"""Logs: the output of a run's trainers."""

from __future__ import annotations

from typing import Literal

from flask import Blueprint

from keepbest.contract.validations import LogPage
from tracker.api.envelope import route_schema
from tracker.api.queries import After, next_cursor
from tracker.db import Connection
from tracker.store import logs, runs

blueprint = Blueprint("logs", __name__)


class LogQuery(After):
    """`tail` starts with the newest `limit` pieces instead of the first."""

    stream: Literal["stdout", "stderr", "keepbest"] | None = None
    tail: bool = False


@blueprint.get("/runs/<run>/logs")
@route_schema(LogPage, query=LogQuery)
def list_logs(conn: Connection, run: str, query: LogQuery) -> LogPage:
    """List what a run's trainers printed, as it came."""
    pk = runs.get_run(conn, run).pk
    log_pieces = logs.list_pieces(conn, pk, after=query.seq, limit=query.limit, stream=query.stream, last=query.tail)
    cursor = None if query.tail else next_cursor([piece.seq for piece in log_pieces], query.limit)
    return LogPage(pieces=log_pieces, cursor=cursor)
