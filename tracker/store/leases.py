"""Leases: the right of a worker or script to a run for a limited time.

Every write of a trainer or agent carries the lease's token, of which the database holds only the SHA-256. The token
alone decides who holds a run, since a revived worker may carry an old one. An overdue lease counts until
`expire_leases` ends it: nobody else can get the run before that.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, null, select, update

from keepbest.contract import workers as contract
from keepbest.contract.runs import RunError
from keepbest.errors import LeaseLost
from keepbest.status import RunState, StopReason
from tracker.models import LeaseTable, RunTable, SegmentTable
from tracker.store import commands, runs, selections, test_results, workers
from tracker.store.access import audit
from tracker.store.access.users import digest
from tracker.store.runs import SPENT, RunRow
from tracker.store.sweeps import rungs

#: A script's lease lasts this many times longer: nobody waits to take over an external run.
EXTERNAL_PATIENCE = 4
#: Seconds that a revived lease lasts; the next renewal gives the full time.
REVIVAL_SECONDS = 10.0
#: An offline run reports only at a sync: it counts as lost a day after the last one.
OFFLINE_SECONDS = 86_400.0
#: A worker's lease that has longer to go was granted by a clock that was ahead, unless the settings are longer.
AHEAD_SECONDS = 3600.0
#: Leases that one call of `expire_leases` ends, so that its transaction stays short.
EXPIRED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class LeaseValidity:
    """The lease of a token: the present one (`is_current`), or one that ended at `ended_at`.

    `run` is the run's row after `judge`, which may have revived the lease.
    """

    is_current: bool
    attempt: int
    worker_id: str | None
    ended_at: datetime | None
    outcome: str | None
    run: RunRow


def grant(conn: Connection, run: RunRow, token: str, *, request: str | None = None, now: datetime) -> None:
    """Write the lease on a run that `runs.take_queued` returned, with the id of its claim."""
    values = {"run_pk": run.pk, "digest": digest(token), "worker_id": run.worker_id, "attempt": run.attempt}
    values |= {"request": request}
    conn.execute(insert(LeaseTable).values(**values, granted_at=now))


def find_granted(conn: Connection, request: str, worker: str | None) -> Any | None:
    """Return `pk`, `id` and lease of the run that the same claim got, and whether the run `was_heard` since."""
    heard = (RunTable.heard_at > LeaseTable.granted_at).label("was_heard")
    same = (
        LeaseTable.request == request,
        LeaseTable.worker_id.is_not_distinct_from(worker),
        LeaseTable.ended_at.is_(None),
    )
    query = select(RunTable.pk, RunTable.id, RunTable.lease_digest, heard).join(
        LeaseTable, LeaseTable.digest == RunTable.lease_digest
    )
    return conn.execute(query.where(*same).with_for_update(of=RunTable.__table__)).one_or_none()


def grant_again(conn: Connection, run: Any, token: str, *, expires_at: datetime) -> RunRow:
    """Replace the token of a lease whose answer was lost; return its run."""
    held = (RunTable.pk == run.pk, RunTable.lease_digest == run.lease_digest)
    renewed = {"lease_digest": digest(token), "lease_expires_at": expires_at}
    if conn.execute(update(RunTable).where(*held).values(**renewed)).rowcount != 1:
        raise LeaseLost(f"The lease on run {run.id} has just ended.")
    conn.execute(update(LeaseTable).where(LeaseTable.digest == run.lease_digest).values(digest=digest(token)))
    return runs.get_by_pk(conn, run.pk)


def new_token() -> str:
    """Return a token nobody can guess."""
    return secrets.token_urlsafe(32)


def judge(conn: Connection, run: RunRow, token: str, now: datetime) -> LeaseValidity:
    """Return the lease of this token on this run; raises LeaseLost for a token of no lease on this run.

    An expired lease is revived while nobody else has got the run: the tracker may have been away, and training that
    still goes on is worth more than a restart.
    """
    hashed = digest(token)
    if run.lease_digest is not None and hmac.compare_digest(hashed, run.lease_digest):
        return LeaseValidity(True, run.attempt, run.worker_id, None, None, run)
    lease = conn.execute(
        select(*LeaseTable.__table__.columns).where(LeaseTable.digest == hashed, LeaseTable.run_pk == run.pk)
    ).one_or_none()
    if lease is None:
        raise LeaseLost(f"This token never was a lease on run {run.id}.")
    unclaimed = _is_unclaimed(run) and run.deleted_at is None and run.attempt == lease.attempt
    unclaimed = unclaimed and lease.attempt > run.attempts_before  # else somebody has resumed the ended run
    if unclaimed and lease.outcome == "expired":
        return LeaseValidity(True, lease.attempt, lease.worker_id, None, None, _revive(conn, run, lease.digest, now))
    return LeaseValidity(False, lease.attempt, lease.worker_id, lease.ended_at, lease.outcome, run)


def renew(conn: Connection, run: RunRow, token: str, *, seconds: float, now: datetime) -> contract.Renewal:
    """Prolong the lease and return the run's open commands. Raises LeaseLost unless the token is the present lease's.

    A script's lease is prolonged by more than `seconds`.
    """
    validity = judge(conn, run, token, now)
    if not validity.is_current:
        raise _lost(validity)
    run = validity.run
    lasts = seconds * (EXTERNAL_PATIENCE if run.source_kind == "external" else 1)
    expires_at = now + timedelta(seconds=lasts)
    if run.lease_expires_at is not None and run.lease_expires_at <= now + longest(run.source_kind, seconds):
        expires_at = max(expires_at, run.lease_expires_at)
    guarded = update(RunTable).where(RunTable.pk == run.pk, RunTable.lease_digest == digest(token))
    if conn.execute(guarded.values(lease_expires_at=expires_at, heard_at=now)).rowcount != 1:
        raise LeaseLost(f"The lease on run {run.id} has just ended.")
    workers.hear(conn, validity.worker_id, now)
    return contract.Renewal(expires_at=expires_at, commands=commands.open_commands(conn, run.pk))


def release(
    conn: Connection, run: RunRow, token: str, request: contract.Release, *, user: str, now: datetime
) -> RunRow:
    """End the lease and move the run on as the outcome says; the same release sent again changes nothing."""
    validity = judge(conn, run, token, now)
    run = validity.run
    if not validity.is_current and validity.outcome == request.outcome:
        return run
    if not validity.is_current:
        raise _lost(validity)
    _end(conn, run, request.outcome, now)
    audit.record(conn, user, f"lease.{request.outcome}", run.id, now)
    if request.outcome == "finished":
        if request.test is not None:
            test_results.add_test_result(conn, run, request.test, now)
        made = {"test": request.test and request.test.model_dump(mode="json"), **selections.columns(request.selection)}
        return _close(conn, run, RunState.FINISHED, request.stop_reason, request.stop_message, now, **made, error=None)
    if request.outcome == "cancelled":
        return _close(conn, run, RunState.CANCELLED, StopReason.USER, request.stop_message, now)
    if request.outcome == "failed":
        return _fail(conn, run, request.stop_reason or StopReason.ERROR, request.stop_message, request.error, now)
    if request.rung is not None and rungs.is_in_sweep(conn, run) and not commands.wants_cancel(conn, run.pk):
        return rungs.pause(conn, run, request.rung, request.stop_message, now)
    if request.outcome == "paused" and request.rung is None and not commands.wants_cancel(conn, run.pk):
        commands.expire_commands(conn, run, now, "The run was paused first.")
        message = request.stop_message
        return runs.move_run(conn, run, RunState.PAUSED, now=now, reason=StopReason.USER, message=message)
    return _requeue(conn, run, request.outcome, request.stop_message, request.error, now, request.stop_reason)


def longest(source_kind: str, seconds: float) -> timedelta:
    """Return the longest time that a lease may have left; one with more was granted by a clock that was ahead."""
    return timedelta(seconds=max(OFFLINE_SECONDS if source_kind == "external" else AHEAD_SECONDS, 2 * seconds))


def shorten_leases(conn: Connection, *, seconds: float, now: datetime) -> int:
    """Shorten leases that a clock granted while it was days ahead; return how many. For the scheduler.

    A trainer that is alive renews long before the new end.
    """
    held = RunTable.state.in_([state.value for state in RunState if state.is_held])
    is_external = RunTable.source_kind == "external"
    count = 0
    for kind, of_kind in (("external", is_external), ("recipe", ~is_external)):
        lasts = timedelta(seconds=seconds * (EXTERNAL_PATIENCE if kind == "external" else 1))
        too_long = update(RunTable).where(held, of_kind, RunTable.lease_expires_at > now + longest(kind, seconds))
        count += conn.execute(too_long.values(lease_expires_at=now + lasts)).rowcount
    return count


def expire_leases(conn: Connection, now: datetime) -> list[str]:
    """End overdue leases: their runs are queued again, or fail after `max_attempts`. Return the runs' ids."""
    held = [state.value for state in RunState if state.is_held]
    overdue = (
        runs.select_runs()
        .where(RunTable.lease_expires_at < now, RunTable.state.in_(held))
        .order_by(RunTable.lease_expires_at)
    )
    rows = conn.execute(overdue.limit(EXPIRED_AT_ONCE).with_for_update(of=RunTable.__table__, skip_locked=True)).all()
    for run in rows:
        message = f"{run.worker_name or 'The script'} has been silent since {run.heard_at:%Y-%m-%d %H:%M:%S} UTC"
        _end(conn, run, "expired", now)
        audit.record(conn, "scheduler", "lease.expired", run.id, now, {"worker": run.worker_name})
        _requeue(conn, run, "expired", message, None, now)
    return [run.id for run in rows]


def forget(conn: Connection, run: RunRow, *, now: datetime) -> RunRow:
    """Queue a run again whose lease was never used."""
    _end(conn, run, "handed_back", now)
    return runs.move_run(conn, run, RunState.QUEUED, now=now)


def _lost(validity: LeaseValidity) -> LeaseLost:
    return LeaseLost(
        f"The lease on run {validity.run.id} has ended ({validity.outcome}); the run is {validity.run.state} now.",
        hint="Stop training it; records from before the lease ended are still accepted.",
    )


def _is_unclaimed(run: RunRow) -> bool:
    """Whether nobody has taken the run since its last lease ended; a lost external run waits for its own script."""
    is_lost = run.state == RunState.FAILED and run.stop_reason == StopReason.WORKER_LOST
    return run.state == RunState.QUEUED or bool(run.source_kind == "external" and is_lost)


def _revive(conn: Connection, run: RunRow, lease_digest: str, now: datetime) -> RunRow:
    lease = update(LeaseTable).where(LeaseTable.digest == lease_digest).values(ended_at=None, outcome=None)
    worker_id = conn.execute(lease.returning(LeaseTable.worker_id)).scalar()
    worker = workers.find_worker(conn, worker_id) if worker_id else None
    held: dict[str, Any] = {
        "lease_digest": lease_digest,
        "lease_expires_at": now + timedelta(seconds=REVIVAL_SECONDS),
        "worker_id": worker_id,
        "worker_name": worker and worker.name,
    }
    if run.state == RunState.FAILED:
        run = runs.move_run(conn, run, RunState.QUEUED, now=now, error=null())
    run = runs.move_run(conn, run, RunState.LEASED, now=now, **held)
    began = (
        select(SegmentTable.number).where(SegmentTable.run_pk == run.pk, SegmentTable.attempt == run.attempt).limit(1)
    )
    if conn.execute(began).first() is not None:
        run = runs.move_run(conn, run, RunState.RUNNING, now=now)
    return run


def _end(conn: Connection, run: RunRow, outcome: str, now: datetime) -> None:
    ended = update(LeaseTable).where(
        LeaseTable.run_pk == run.pk, LeaseTable.digest == run.lease_digest, LeaseTable.ended_at.is_(None)
    )
    conn.execute(ended.values(ended_at=now, outcome=outcome))


def _requeue(
    conn: Connection,
    run: RunRow,
    outcome: str,
    message: str | None,
    error: RunError | None,
    now: datetime,
    why: StopReason | None = None,
) -> RunRow:
    """Queue the run again; or close it where somebody cancelled it or it has failed `max_attempts` times."""
    if commands.wants_cancel(conn, run.pk):
        return _close(conn, run, RunState.CANCELLED, StopReason.USER, message, now)
    failed = runs.get_by_pk(conn, run.pk).failed_attempts  # with the lease that has just ended
    is_over = run.source_kind == "external" or failed >= run.max_attempts
    if outcome in SPENT and is_over:
        reason = StopReason.WORKER_LOST if outcome == "expired" else StopReason.ERROR
        reason = StopReason.STALLED if why is StopReason.STALLED else reason
        return _fail(conn, run, reason, message, error, now)
    warning = f"The last attempt ended: {message}" if outcome in SPENT and message else None
    return runs.move_run(conn, run, RunState.QUEUED, now=now, warning=warning)


def _fail(
    conn: Connection, run: RunRow, reason: StopReason, message: str | None, error: RunError | None, now: datetime
) -> RunRow:
    run_error = error or RunError(
        code=reason.value,
        message=message or "Training ended without a message.",
        hint=f"`keepbest logs {run.id}` shows its output.",
    )
    return _close(
        conn, run, RunState.FAILED, reason, message or run_error.message, now, error=run_error.model_dump(mode="json")
    )


def _close(
    conn: Connection,
    run: RunRow,
    to: RunState,
    reason: StopReason | None,
    message: str | None,
    now: datetime,
    **changes: Any,
) -> RunRow:
    commands.expire_commands(conn, run, now)
    return runs.move_run(conn, run, to, now=now, reason=reason, message=message, **changes)
