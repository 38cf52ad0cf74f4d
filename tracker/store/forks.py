"""Forks: a run that begins at a checkpoint of another, with that run's spec.

The fork gets its own copies of two checkpoints: its start, and the best that the stopper remembers. A copy is a
manifest that shares the source's packs (`keepbest.checkpoint.copies`). So neither retention nor deletion of the source
takes anything from the fork, and the fork has a best to return to where it finds no better one.

Files and rows cannot be written in one transaction. So `add_hidden` makes the run as a deleted one, then the service
writes the files, then `reveal` queues the run. After a kill in between, the garbage collector removes the files as it
does for every deleted run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from keepbest.checkpoint.copies import Copy
from keepbest.contract.batches import CheckpointDurable
from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.overrides import ForkRequest, Origin
from keepbest.contract.runs import RunSpec
from keepbest.errors import Conflict
from keepbest.status import RunState
from tracker.store import checkpoints, projects, resume_point, runs, submissions
from tracker.store.runs import RunRow


@dataclass(frozen=True)
class ForkPlan:
    """A fork to make: its source, the checkpoint where it begins, and the source's other durable checkpoints."""

    source: RunRow
    start: Checkpoint
    durable: Sequence[Checkpoint]

    def find_best(self, step: int | None) -> Checkpoint | None:
        """Return the durable checkpoint of the best validation, at the `step` that the stopper remembers, or None."""
        result = [
            checkpoint
            for checkpoint in (self.start, *self.durable)
            if checkpoint.step == step and checkpoint.value is not None
        ]
        return next(
            (checkpoint for checkpoint in result if checkpoint is self.start or not checkpoint.ghost),
            result[0] if result else None,
        )


def find_known(conn: Connection, reference: str, request: ForkRequest, user: str, key: str | None) -> RunRow | None:
    """Return the fork that the same request made under this key, whatever project the fork was moved to since.

    Raises Conflict for a key of another request.
    """
    known = submissions.find_known(conn, user, key)
    if known is None:
        return None
    origin = known.spec.get("forked_from") or {"run": "", "checkpoint": "", "step": -1}
    same = {
        origin["run"].startswith(reference),
        request.checkpoint in (None, origin["checkpoint"]),
        request.step in (None, origin["step"]),
        request.name in (None, known.spec["name"]),
    }
    if same != {True} or known.deleted_at is not None:
        raise Conflict(
            f"This idempotency key belongs to another request: run {known.id}.", hint="Use a fresh key for each run."
        )
    return known


def plan(conn: Connection, source: RunRow, request: ForkRequest) -> ForkPlan:
    """Check the request and choose where the fork begins; raises as `resume_point.choose` does."""
    start = resume_point.choose(conn, source, request, "best")
    assert start is not None  # noqa: S101  # `choose` raises where there is no best
    steps_at_most = request.max_steps or source.max_steps or source.spec["max_steps"]
    resume_point.check_changes(request, source, start, steps_at_most)
    return ForkPlan(source, start, resume_point.list_durable(conn, source))


def add_hidden(
    conn: Connection, made: ForkPlan, id: str, copies: Sequence[Copy], request: ForkRequest, *, user: str, now: datetime
) -> RunRow:
    """Make the fork's row under this id, marked as deleted, and the rows of its checkpoints: the first is its start."""
    source, start = made.source, copies[0].manifest
    spec = _make_spec(made, request)
    policy = start.stopper.get("policy") or {}
    manifests = [copy.manifest for copy in copies]
    best = next((item for item in manifests if item.step == policy.get("best_step") and item.value is not None), None)
    changes = request.overrides
    if (policy.get("decision") or {}).get("stop"):
        changes = changes.model_copy(update={"reset_patience": True})
    values: dict[str, Any] = {
        "id": id,
        "deleted_at": now,
        "mode": start.mode or source.mode,
        "step": start.step,
        "max_steps": request.max_steps or source.max_steps,
        "best_step": policy.get("best_step"),
        "best_value": policy.get("best_value"),
        "best_checkpoint": best and best.id,
        "best_checkpoint_value": best and best.value,
        **resume_point.start_columns(start.id, changes),
    }
    project = projects.ensure_project(conn, spec.project, user=user, now=now)
    run = submissions.create(conn, project, spec, request.name, RunState.CANCELLED, user=user, now=now, **values)
    checkpoints.add_checkpoints(conn, run.pk, [_describe(copy) for copy in copies])
    return run


def reveal(conn: Connection, hidden: RunRow, key: str | None, now: datetime) -> RunRow:
    """Queue a fork whose files have been written."""
    projects.bring_back(conn, hidden.project_pk)
    queued = runs.move_run(conn, hidden, RunState.QUEUED, now=now, deleted_at=None, idempotency_key=key)
    submissions.announce(conn, queued, "run.fork", now, origin=queued.spec["forked_from"])
    return queued


def _make_spec(made: ForkPlan, request: ForkRequest) -> RunSpec:
    source = made.source
    changed = {
        "name": request.name or f"{source.name[:80]}-fork",
        "project": request.project or source.project,
        "tags": source.tags,
        "notes": source.notes,
        "forked_from": Origin(run=source.id, checkpoint=made.start.id, step=made.start.step),
        "trial": None,
    }
    return RunSpec.model_validate(source.spec).model_copy(update=changed)


def _describe(copy: Copy) -> CheckpointDurable:
    manifest = copy.manifest
    return CheckpointDurable(
        id=manifest.id,
        segment=manifest.segment,
        step=manifest.step,
        kind=manifest.kind,
        value=manifest.value,
        n=manifest.n,
        digest=copy.digest,
        size_bytes=manifest.size_bytes,
        written_bytes=len(copy.data),
        location=str(copy.location),
        at=manifest.at,
    )
