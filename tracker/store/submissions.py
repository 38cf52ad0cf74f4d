"""Submissions: makes one queued run of a request, however often the request is sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from keepbest.contract.base import new_id
from keepbest.contract.runs import CodeSource, CommandSource, RunRequest, RunSpec, Trial
from keepbest.errors import Conflict
from keepbest.status import RunState
from tracker.models import RunTable
from tracker.store import bundles, events, moves, projects, queue, rules, run_spec, runs, workers
from tracker.store.access import audit
from tracker.store.runs import RunRow
from tracker.store.search import entries


def submit(
    conn: Connection,
    request: RunRequest,
    *,
    user: str,
    key: str | None,
    now: datetime,
    trial: Trial | None = None,
) -> RunRow:
    """Check a request and queue its run; the same request under the same idempotency `key` returns the same run.

    `trial` names the run's trial in a sweep. Raises InvalidInput for a wrong field, Conflict for another request under
    a used key.
    """
    spec = run_spec.settle(request, workers.list_recipes(conn), rules.find_stopper(conn, request.project))
    if trial is None:
        run_spec.refuse_pausing(spec.stopper)
    spec = spec.model_copy(update={"trial": trial})
    if isinstance(spec.source, CodeSource | CommandSource):
        bundles.check_source(conn, spec.source)
    project = projects.ensure_project(conn, spec.project, user=user, now=now)
    known = find_known(conn, user, key)
    if known is not None:
        return _same(conn, known, request, spec)
    chosen = _choose_id(conn, request)
    run = create(conn, project, spec, request.name, RunState.QUEUED, user=user, now=now, idempotency_key=key, **chosen)
    announce(conn, run, "run.submit", now)
    return run


def find_known(conn: Connection, user: str, key: str | None) -> RunRow | None:
    """Return the run, even a deleted one, that this user made under this idempotency key."""
    if key is None:
        return None
    return conn.execute(
        runs.select_with_failed().where(RunTable.created_by == user, RunTable.idempotency_key == key)
    ).one_or_none()


def _choose_id(conn: Connection, request: RunRequest) -> dict[str, str]:
    if request.id is None:
        return {}
    if conn.execute(select(RunTable.pk).where(RunTable.id == request.id)).first() is not None:
        hint = f'Go on with it: keepbest.init(id="{request.id}", resume="must"). A deleted run keeps its id.'
        raise Conflict(f"There is a run {request.id} already.", field="id", hint=hint)
    return {"id": request.id}


def _same(conn: Connection, known: RunRow, request: RunRequest, spec: RunSpec) -> RunRow:
    """Return the run where its request was this one, also if the run was moved to another project since."""
    before = RunSpec.model_validate(known.spec)  # fills the fields that an older keepbest did not write
    settled = {"project": before.project, **({} if request.name else {"name": before.name})}
    is_elsewhere = spec.project != before.project and not moves.was_in_project(conn, known, spec.project)
    if is_elsewhere or before != spec.model_copy(update=settled):
        raise Conflict(
            f"This idempotency key belongs to another request: run {known.id}.", hint="Use a fresh key for each run."
        )
    if known.deleted_at is not None:
        raise Conflict(f"This request made run {known.id}, which was deleted.", hint="Use a fresh key for a new run.")
    return known


def create(
    conn: Connection,
    project: Any,
    spec: RunSpec,
    name: str | None,
    state: RunState,
    *,
    user: str,
    now: datetime,
    **values: Any,
) -> RunRow:
    """Make the row of a run; without a `name`, add its number to the spec's name. `values` are further columns."""
    number = projects.take_number(conn, project.pk)
    spec = spec if name else spec.model_copy(update={"name": f"{spec.name[:80]}-{number}"})
    plain = spec.model_dump(mode="json")
    row = {
        "id": new_id(),
        "project_pk": project.pk,
        "number": number,
        "state": state.value,
        "spec": plain,
        "source_kind": spec.source.kind,
        "queue_place": queue.LAST_PLACE,
        "created_by": user,
        "created_at": now,
        "updated_at": now,
        **entries.describe_spec(plain),
        **{name: getattr(spec, name) for name in ("name", "mode", "tags", "notes", "priority", "max_attempts")},
    }
    pk = conn.execute(insert(RunTable).values(**{**row, **values}).returning(RunTable.pk)).scalar_one()
    entries.add_parameters(conn, pk, project.pk, spec.parameters)
    entries.add_tags(conn, pk, project.pk, spec.tags)
    return runs.get_by_pk(conn, pk)


def announce(conn: Connection, run: RunRow, action: str, now: datetime, **detail: Any) -> None:
    """Write the event and the audit entry of a new run."""
    events.append(conn, "run.created", run, runs.show_run(run).model_dump(mode="json"), now)
    audit.record(conn, run.created_by, action, run.id, now, {"name": run.name, "project": run.project, **detail})
