"""Shorthand for tests of the tracker's store: a recipe, a worker, a submitted run, a claimed one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from keepbest.contract.base import new_id
from keepbest.contract.batches import CheckpointDurable, SegmentOpened
from keepbest.contract.policies import PolicySpec
from keepbest.contract.runs import Mode, Parameter, RunRequest
from keepbest.contract.workers import Assignment, Claim, RecipeInfo, Release, WorkerRegistration
from keepbest.status import Role
from tracker.models import EventTable
from tracker.store import checkpoints, claims, leases, runs, segments, submissions, workers
from tracker.store.access.users import Principal
from tracker.store.runs import RunRow

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEASE_SECONDS = 30.0

CNN = RecipeInfo(
    name="hvass-cnn",
    summary="a small network",
    parameters=[
        Parameter(name="learning_rate", type="float", default=1e-4),
        Parameter(name="units", type="int", default=128),
        Parameter(name="augment", type="bool", default=False),
        Parameter(name="padding", type="str", default="same"),
        Parameter(name="extra", type="json"),
    ],
    data=["digits", "mnist"],
    default_data="digits",
    metrics={"val_accuracy": Mode.MAX, "val_loss": Mode.MIN},
    monitor="val_accuracy",
    stopper=PolicySpec(name="patience", params={"steps": 1000}),
    max_steps=10_000,
    validate_every=100,
)


#: Who asks, as the API knows them; none of them is in the database.
WORKER = Principal("worker", 1, Role.WORKER, "w" * 12, None, None)
ADA = Principal("ada", 2, Role.MEMBER, "a" * 12, None, None)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def hello(conn: Connection, *, now: datetime = NOW, **said: Any) -> str:
    """Let a worker say hello; return its id."""
    usual = {"id": new_id(), "name": "mill", "host": "mill.local", "pid": 7, "version": "0.1", "slots": 1}
    known = WorkerRegistration.model_validate({**usual, "recipes": [CNN], **said})
    workers.register_worker(conn, known, by=WORKER, now=now)
    return known.id


def a_request(**asked: Any) -> RunRequest:
    return RunRequest.model_validate({"source": {"kind": "recipe", "name": "hvass-cnn"}, **asked})


def submit(conn: Connection, *, now: datetime = NOW, key: str | None = None, **asked: Any) -> RunRow:
    """Queue a run of the recipe, which a worker must have announced."""
    if not workers.list_recipes(conn):
        hello(conn)
    return submissions.submit(conn, a_request(**asked), user="ada", key=key, now=now)


def submit_external(conn: Connection, **asked: Any) -> RunRow:
    return submit(conn, source={"kind": "external"}, mode="min", **asked)


def claim(conn: Connection, worker: str | None = None, *, run: str | None = None, now: datetime = NOW) -> Assignment:
    """Claim what there is; the test fails when there is nothing."""
    asked = Claim(worker=worker or (None if run else hello(conn)), run=run)
    found = claims.claim(conn, asked, by=ADA if asked.worker is None else WORKER, seconds=LEASE_SECONDS, now=now)
    assert found is not None
    return found


def begin(conn: Connection, taken: Assignment, *, now: datetime = NOW) -> RunRow:
    """Open the first segment of an assignment, as its trainer does first of all."""
    step = taken.resume.step if taken.resume else 0
    return open_segment(
        conn, taken, taken.next_segment, parent=taken.parent_segment, start_step=step, now=now,
        reason="resume" if taken.resume else "start",
    )  # fmt: skip


def open_segment(conn: Connection, taken: Assignment, number: int, *, now: datetime = NOW, **said: Any) -> RunRow:
    run = runs.get_run(conn, taken.run.id)
    standing = leases.judge(conn, run, taken.lease.token, now)
    usual = {"reason": "roll_back", "parent": None, "checkpoint": None}
    opened = SegmentOpened.model_validate({"number": number, "at": now, **usual, **said})
    segments.open_segment(conn, run, opened, standing)
    return runs.get_run(conn, run.id)


def release(conn: Connection, taken: Assignment, outcome: str, *, now: datetime = NOW, **said: Any) -> RunRow:
    run = runs.get_run(conn, taken.run.id)
    asked = Release.model_validate({"outcome": outcome, **said})
    return leases.release(conn, run, taken.lease.token, asked, user="worker", now=now)


def add_checkpoint(
    conn: Connection,
    run: RunRow,
    *,
    segment: int = 0,
    step: int,
    value: float = 0.5,
    id: str | None = None,
    location: str = "store",
) -> str:
    point = CheckpointDurable(
        id=id or new_id(), segment=segment, step=step, kind="best", value=value, digest="a" * 64,
        size_bytes=10, written_bytes=10, location=location, at=later(step),
    )  # fmt: skip
    checkpoints.add_checkpoints(conn, run.pk, [point])
    return point.id


def kinds(conn: Connection, run: RunRow | None = None) -> list[str]:
    """Return the kinds of the events so far, oldest first, of one run or of all."""
    found = select(EventTable.kind).order_by(EventTable.seq)
    return list(conn.execute(found.where(EventTable.run == run.id) if run else found).scalars())
