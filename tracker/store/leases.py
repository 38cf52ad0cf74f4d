"""Leases: a worker's time-limited right to a run. Every write of a trainer or agent carries the lease's token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from keepbest.contract.workers import Assignment, Claim, Release, Renewal
from tracker.store.runs import RunRow


@dataclass(frozen=True, slots=True)
class Standing:
    """What a token is worth: `is_current`, or the lease it belonged to ended at `ended_at`."""

    is_current: bool
    attempt: int
    worker_id: str | None
    ended_at: datetime | None


def judge(conn: Connection, run: RunRow, token: str, now: datetime) -> Standing:
    """Say what the token is worth for this run; raises LeaseLost when it never was this run's."""
    raise NotImplementedError


def require(conn: Connection, run: RunRow, token: str, now: datetime) -> Standing:
    """Return the standing of the present lease; raises LeaseLost when the token is not (or no longer) it."""
    raise NotImplementedError


def claim(conn: Connection, asked: Claim, *, user: str, seconds: float, now: datetime) -> Assignment | None:
    """Give out the oldest fitting run of the highest priority, or None when there is nothing to do."""
    raise NotImplementedError


def renew(conn: Connection, run: RunRow, token: str, *, seconds: float, now: datetime) -> Renewal:
    raise NotImplementedError


def release(conn: Connection, run: RunRow, token: str, asked: Release, *, user: str, now: datetime) -> RunRow:
    raise NotImplementedError


def expire_leases(conn: Connection, now: datetime) -> list[str]:
    """End every lease that ran out; return the ids of the runs concerned. For the scheduler."""
    raise NotImplementedError
