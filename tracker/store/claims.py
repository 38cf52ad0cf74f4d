"""Claims: a worker asks for work and gets a run, the right to train it, and where to go on."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, false, or_, select, text, true

from keepbest.contract.workers import Assignment, Claim, Lease
from keepbest.errors import Conflict, InvalidInput
from keepbest.status import RunState
from tracker.models import Checkpoint, Run
from tracker.store import audit, checkpoints, leases, runs, segments, workers
from tracker.store.runs import RunRow

#: Nobody else can take an external run over, so nobody hurries to call its script lost.
EXTERNAL_PATIENCE = 4


def claim(conn: Connection, asked: Claim, *, user: str, seconds: float, now: datetime) -> Assignment | None:
    """Give out a run, or None when there is nothing to do; `seconds` is how long its lease lasts.

    A worker gets the oldest queued run of the highest priority that fits it. A script names its own external run.
    """
    if asked.worker is not None:
        return _claim_for_worker(conn, asked, user, seconds, now)
    if asked.run is None:
        raise InvalidInput("Say which worker asks, or which run its script trains.", field="worker")
    return _claim_external(conn, asked.run, user, seconds * EXTERNAL_PATIENCE, now)


def _claim_for_worker(conn: Connection, asked: Claim, user: str, seconds: float, now: datetime) -> Assignment | None:
    worker = workers.get_worker(conn, str(asked.worker), lock=True)
    workers.hear(conn, worker.id, now)
    if workers.count_busy(conn, worker.id) >= worker.slots:
        return None
    fits = and_(_fits(conn, worker), Run.id == asked.run) if asked.run else _fits(conn, worker)
    return _take(conn, fits, worker, user, seconds, now)


def _claim_external(conn: Connection, reference: str, user: str, seconds: float, now: datetime) -> Assignment:
    run = runs.get_run(conn, reference, lock=True)
    if run.source_kind != "external":
        raise InvalidInput(f"Run {run.id} is trained by a worker, not by a script.", field="run")
    taken = _take(conn, Run.pk == run.pk, None, user, seconds, now)
    if taken is None:
        held = "another script holds it" if RunState(run.state).is_held else "it can be trained no more"
        raise Conflict(f"Run {run.id} is {run.state}: {held}.", field="run", hint="Start a new run.")
    return taken


def _take(
    conn: Connection, fits: ColumnElement[bool], worker: Row[Any] | None, user: str, seconds: float, now: datetime
) -> Assignment | None:
    token = leases.new_token()
    expires_at = now + timedelta(seconds=seconds)
    held = {"lease_digest": leases.digest(token), "lease_expires_at": expires_at, "heard_at": now}
    by = {"worker_id": worker and worker.id, "worker_name": worker and worker.name}
    run = runs.take_queued(conn, fits, now=now, **held, **by)
    if run is None:
        return None
    leases.grant(conn, run, token, now=now)
    audit.record(conn, user, "lease.grant", run.id, now, {"worker": run.worker_name, "attempt": run.attempt})
    return _assign(conn, run, Lease(token=token, expires_at=expires_at, lease_seconds=seconds))


def _assign(conn: Connection, run: RunRow, lease: Lease) -> Assignment:
    resume = find_resume(conn, run)
    return Assignment(
        run=runs.show_run(run),
        lease=lease,
        attempt=run.attempt,
        next_segment=segments.next_number(conn, run.pk),
        parent_segment=resume and resume.segment,
        resume=resume,
    )


def find_resume(conn: Connection, run: RunRow) -> Any:
    """Return the durable checkpoint that is furthest along the living path."""
    path = segments.read_path(conn, run.pk)
    durable = select(Checkpoint.id, Checkpoint.segment, Checkpoint.step).where(
        Checkpoint.run_pk == run.pk, Checkpoint.state == "durable"
    )
    rows = conn.execute(durable.order_by(Checkpoint.step.desc(), Checkpoint.pk.desc()))
    alive = next((row for row in rows if not path.is_ghost(row.segment, row.step)), None)
    return None if alive is None else checkpoints.get_checkpoint(conn, alive.id)


def _fits(conn: Connection, worker: Row[Any]) -> ColumnElement[bool]:
    """What this worker can train: recipes it announced, code unless it refuses it, labels it has."""
    source, data = Run.spec["source"]["name"].as_string(), Run.spec["data"].as_string()
    recipes = [
        and_(source == recipe["name"], or_(data.is_(None), data.in_(recipe["data"])) if recipe["data"] else true())
        for recipe in worker.recipes
    ]
    code = false() if worker.recipes_only else Run.source_kind == "code"
    return and_(or_(code, and_(Run.source_kind == "recipe", or_(false(), *recipes))), _has_labels(conn, worker.labels))


def _has_labels(conn: Connection, labels: dict[str, str]) -> ColumnElement[bool]:
    """Whether `labels` hold every label that the run asks for."""
    fits = _LABELS_FIT[conn.dialect.name]
    return text(fits).bindparams(labels=json.dumps(labels))  # type: ignore[return-value]


_LABELS_FIT = {
    "postgresql": "(runs.spec -> 'labels') <@ CAST(:labels AS jsonb)",
    "sqlite": "NOT EXISTS (SELECT 1 FROM json_each(runs.spec, '$.labels') AS wanted WHERE NOT EXISTS ("
    "SELECT 1 FROM json_each(:labels) AS had WHERE had.key = wanted.key AND had.value = wanted.value))",
}
