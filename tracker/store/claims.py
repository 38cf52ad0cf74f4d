"""Claims: a worker or script gets a run, a lease on it, and the checkpoint to begin at."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, false, or_, text, true

from keepbest.contract.workers import Assignment, Claim, Lease
from keepbest.errors import Conflict, InvalidInput, NotAllowed
from keepbest.status import Role, RunState
from tracker.models import RunTable
from tracker.store import leases, resume_point, resumes, runs, segments, workers
from tracker.store.access import audit
from tracker.store.access.users import Principal, digest
from tracker.store.runs import RunRow
from tracker.store.sweeps import rungs


def claim(conn: Connection, request: Claim, *, by: Principal, seconds: float, now: datetime) -> Assignment | None:
    """Lease a run for `seconds` and return its assignment; None where no run fits.

    A worker gets the oldest queued run of the highest priority that it can train. A script names its own external run.

    Raises:
        NotAllowed: A worker's token claims a script's run, or claims for a worker that another token registered.
    """
    if request.worker is not None:
        return _claim_for_worker(conn, request, by, seconds, now)
    if request.run is None:
        raise InvalidInput("A claim names a worker, or the run that a script trains.", field="worker")
    if by.role is Role.WORKER:
        raise NotAllowed(
            "A worker's token claims queued runs for its worker, not a script's own run.",
            field="run",
            hint="A script needs a member's token: `keepbest login`.",
        )
    lasts = leases.OFFLINE_SECONDS if request.is_offline else seconds * leases.EXTERNAL_PATIENCE
    return _claim_external(conn, request.run, request, by.user, lasts, now)


def _claim_for_worker(
    conn: Connection, request: Claim, by: Principal, seconds: float, now: datetime
) -> Assignment | None:
    worker = workers.get_worker(conn, str(request.worker), lock=True)
    workers.check_speaker(conn, worker, by, now)
    workers.hear(conn, worker.id, now)
    if (again := _find_again(conn, request, None, seconds, now)) is not None:
        return again
    if workers.count_busy(conn, worker.id) >= worker.slots:
        return None
    fits = and_(_fits(conn, worker), RunTable.id == request.run) if request.run else _fits(conn, worker)
    return _take(conn, fits, worker, by.user, seconds, now, request.request)


def _claim_external(
    conn: Connection, reference: str, request: Claim, user: str, seconds: float, now: datetime
) -> Assignment:
    """Lease a script's own run; an ended run goes on.

    A lease for an offline run that opened no segment may be given again: the process that claimed it was killed before
    it stored the answer, and no other machine has the run's records.
    """
    run = runs.get_run(conn, reference, lock=True)
    if run.source_kind != "external":
        raise InvalidInput(f"Run {run.id} is trained by a worker, not by a script.", field="run")
    if (again := _find_again(conn, request, run, seconds, now)) is not None:
        return again
    if RunState(run.state).is_final:
        resumes.reopen(conn, run, user=user, now=now)
    elif request.is_offline and run.state == RunState.LEASED and not segments.opened_by(conn, run.pk, run.attempt):
        leases.forget(conn, run, now=now)
    taken = _take(conn, RunTable.pk == run.pk, None, user, seconds, now, request.request)
    if taken is None:
        raise _held(run, now)
    return taken


def _held(run: RunRow, now: datetime) -> Conflict:
    left = max(1, round((run.lease_expires_at - now).total_seconds())) if run.lease_expires_at else 1
    heard = f", last heard at {run.heard_at:%H:%M:%S} UTC" if run.heard_at else ""
    return Conflict(
        f"Run {run.id} is {run.state}: another script holds it{heard}.",
        field="run",
        hint=f"If that script is dead, try again in {left} s, when its lease ends; else begin another run.",
    )


def _find_again(
    conn: Connection, request: Claim, run: RunRow | None, seconds: float, now: datetime
) -> Assignment | None:
    """Return the assignment of this same claim, sent again because its answer was lost; None for a new claim."""
    if request.request is None:
        return None
    row = leases.find_granted(conn, request.request, request.worker)
    if row is None or (run is not None and row.pk != run.pk):
        return None
    if row.was_heard:
        raise Conflict(f"This claim got its lease on run {row.id} before, and has used it.", field="request")
    token, expires_at = leases.new_token(), now + timedelta(seconds=seconds)
    row = leases.grant_again(conn, row, token, expires_at=expires_at)
    return _assign(conn, row, Lease(token=token, expires_at=expires_at, lease_seconds=seconds))


def _take(
    conn: Connection,
    fits: ColumnElement[bool],
    worker: Row[Any] | None,
    user: str,
    seconds: float,
    now: datetime,
    request: str | None,
) -> Assignment | None:
    token = leases.new_token()
    expires_at = now + timedelta(seconds=seconds)
    held = {"lease_digest": digest(token), "lease_expires_at": expires_at, "heard_at": now}
    by = {"worker_id": worker and worker.id, "worker_name": worker and worker.name}
    run = runs.take_queued(conn, fits, now=now, **held, **by)
    if run is None:
        return None
    leases.grant(conn, run, token, request=request, now=now)
    audit.record(conn, user, "lease.grant", run.id, now, {"worker": run.worker_name, "attempt": run.attempt})
    return _assign(conn, run, Lease(token=token, expires_at=expires_at, lease_seconds=seconds))


def _assign(conn: Connection, run: RunRow, lease: Lease) -> Assignment:
    resume = resume_point.find_resume(conn, run)
    number = segments.next_number(conn, run.pk)
    return Assignment(
        run=runs.show_run(run),
        lease=lease,
        attempt=run.attempt,
        next_segment=number,
        # The checkpoint that a fork begins at belongs to its first segment, which its trainer opens next.
        parent_segment=resume.segment if resume and resume.segment < number else None,
        resume=resume,
        overrides=resume_point.read_changes(run),
        promotions=rungs.count_promotions(conn, run) if run.spec.get("trial") else None,
    )


def _fits(conn: Connection, worker: Row[Any]) -> ColumnElement[bool]:
    """Return the condition for runs of this worker: its recipes, code unless it takes recipes only, its labels."""
    source, data = RunTable.spec["source"]["name"].as_string(), RunTable.spec["data"].as_string()
    recipes = [
        and_(source == recipe["name"], or_(data.is_(None), data.in_(recipe["data"])) if recipe["data"] else true())
        for recipe in worker.recipes
    ]
    code = false() if worker.recipes_only else RunTable.source_kind.in_(("code", "command"))
    has_labels = text(_HAS_LABELS[conn.dialect.name]).bindparams(labels=json.dumps(worker.labels))
    return and_(or_(code, and_(RunTable.source_kind == "recipe", or_(false(), *recipes))), has_labels)


#: Whether `:labels` hold every label that the run requires.
_HAS_LABELS = {
    "postgresql": "(runs.spec -> 'labels') <@ CAST(:labels AS jsonb)",
    "sqlite": "NOT EXISTS (SELECT 1 FROM json_each(runs.spec, '$.labels') AS wanted WHERE NOT EXISTS ("
    "SELECT 1 FROM json_each(:labels) AS had WHERE had.key = wanted.key AND had.value = wanted.value))",
}
