"""Leases: a worker claims a run, renews its right to it, and gives it back."""

from __future__ import annotations

from flask import Blueprint

from keepbest.contract.runs import Run
from keepbest.contract.workers import Assignment, Claim, Release, Renewal
from tracker.api.access import lease_token, principal
from tracker.api.envelope import now, route_schema, service
from tracker.db import Connection
from tracker.store import claims, leases, runs

blueprint = Blueprint("leases", __name__)


@blueprint.post("/leases")
@route_schema(Assignment, body=Claim, may_be_empty=True)
def claim(conn: Connection, body: Claim) -> Assignment | None:
    """Claim a run: the next that fits the worker, or a script's own; 204 when there is nothing to do."""
    seconds = service().settings.lease_seconds
    return claims.claim(conn, body, by=principal(), seconds=seconds, now=now())


@blueprint.post("/leases/<run>/renew")
@route_schema(Renewal)
def renew(conn: Connection, run: str) -> Renewal:
    """Prolong the lease whose token is in `Keepbest-Lease`."""
    row = runs.get_run(conn, run, lock=True)
    return leases.renew(conn, row, lease_token(), seconds=service().settings.lease_seconds, now=now())


@blueprint.post("/leases/<run>/release")
@route_schema(Run, body=Release)
def release(conn: Connection, run: str, body: Release) -> Run:
    """Give the run back, with how its training ended."""
    row = runs.get_run(conn, run, lock=True)
    return runs.show_run(leases.release(conn, row, lease_token(), body, user=principal().user, now=now()))
