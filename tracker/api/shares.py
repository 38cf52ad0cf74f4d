"""Read-only links to one run, or to the runs of a project that a filter means."""

from __future__ import annotations

from flask import Blueprint

from keepbest.contract.shares import Share, ShareList, ShareRequest
from tracker.api import access
from tracker.api.envelope import now, route_schema
from tracker.db import Connection
from tracker.store import shares

blueprint = Blueprint("shares", __name__)


@blueprint.get("/shares")
@route_schema(ShareList)
def list_shares(conn: Connection) -> ShareList:
    """List one's own read-only links; an admin sees everybody's."""
    return ShareList(shares=shares.list_shares(conn, access.principal(), now()))


@blueprint.post("/shares")
@route_schema(Share, body=ShareRequest, status=201)
def make_share(conn: Connection, body: ShareRequest) -> Share:
    """Make a read-only link to a run, or to the runs that a filter means; only this answer holds its address.

    It ends no later than the token that it was made with.
    """
    return shares.make_share(conn, body, access.principal(), now())


@blueprint.delete("/shares/<share>")
@route_schema(None)
def end_share(conn: Connection, share: str) -> None:
    """End a read-only link with every session that it opened: one's own, or (admin) anybody's."""
    shares.end_share(conn, share, access.principal(), now())
    access.forget_principals()
