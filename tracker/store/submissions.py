"""Submissions: a request becomes a queued run, once, however often it is sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, update

from keepbest.contract.base import new_id
from keepbest.contract.runs import CodeSource, RunRequest, RunSpec
from keepbest.errors import Conflict
from keepbest.status import RunState
from tracker.models import Project, Run
from tracker.store import audit, bundles, events, projects, runs, specs, workers
from tracker.store.runs import RunRow


def submit(conn: Connection, asked: RunRequest, *, user: str, key: str | None, now: datetime) -> RunRow:
    """Check a request and queue its run; the same request under the same idempotency `key` is the same run.

    Raises InvalidInput for what is wrong with it, Conflict for another request under a used key.
    """
    spec = specs.settle(asked, workers.list_recipes(conn))
    if isinstance(spec.source, CodeSource):
        bundles.check_entry(conn, spec.source)
    project = projects.ensure_project(conn, spec.project, user=user, now=now)
    known = _find_known(conn, user, key)
    return _same(known, asked, spec) if known is not None else _create(conn, project, asked, spec, user, key, now)


def _find_known(conn: Connection, user: str, key: str | None) -> RunRow | None:
    if key is None:
        return None
    return conn.execute(runs.select_runs().where(Run.created_by == user, Run.idempotency_key == key)).one_or_none()


def _same(known: RunRow, asked: RunRequest, spec: RunSpec) -> RunRow:
    wanted = spec.model_dump(mode="json") | ({} if asked.name else {"name": known.spec["name"]})
    if known.spec != wanted:
        raise Conflict(
            f"This idempotency key belongs to another request: run {known.id}.", hint="Use a fresh key for each run."
        )
    if known.deleted_at is not None:
        raise Conflict(f"This request made run {known.id}, which was deleted.", hint="Use a fresh key for a new run.")
    return known


def _create(
    conn: Connection, project: Any, asked: RunRequest, spec: RunSpec, user: str, key: str | None, now: datetime
) -> RunRow:
    number = _next_number(conn, project.pk)
    spec = spec if asked.name else spec.model_copy(update={"name": f"{spec.name[:80]}-{number}"})
    row = {
        "id": new_id(),
        "project_pk": project.pk,
        "number": number,
        "state": RunState.QUEUED.value,
        "spec": spec.model_dump(mode="json"),
        "source_kind": spec.source.kind,
        "created_by": user,
        "idempotency_key": key,
        "created_at": now,
        "updated_at": now,
        **{name: getattr(spec, name) for name in ("name", "mode", "tags", "notes", "priority", "max_attempts")},
    }
    pk = conn.execute(insert(Run).values(**row).returning(Run.pk)).scalar_one()
    run = runs.get_by_pk(conn, pk)
    events.append(conn, "run.created", run, runs.show_run(run).model_dump(mode="json"), now)
    audit.record(conn, user, "run.submit", run.id, now, {"name": run.name, "project": run.project})
    return run


def _next_number(conn: Connection, project_pk: int) -> int:
    moved = update(Project).where(Project.pk == project_pk).values(next_number=Project.next_number + 1)
    return conn.execute(moved.returning(Project.next_number)).scalar_one() - 1
