"""Brings runs of an archive into the database: each in one transaction, so that a run is there whole or not at all.

The run belongs to the person who brings it. Names of other people in its history get the mark `@elsewhere`, which no
name of a user here can have.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, insert, select, update

from keepbest.archive.layout import ArchivedRun
from keepbest.contract.checkpoints import CheckpointState
from keepbest.contract.runs import RunSpec
from keepbest.errors import Conflict, InvalidInput, RunDeleted
from keepbest.status import RunState
from tracker.models import ProjectTable, RunTable
from tracker.store import events, projects, runs
from tracker.store.access import audit
from tracker.store.archives import checks
from tracker.store.archives.rows import Values, refuse
from tracker.store.archives.tables import EVENTS, OF_RUN, RUN, ArchivedTable
from tracker.store.runs import RunRow

ELSEWHERE = "@elsewhere"
#: Reads the rows of one table.
Reader = Callable[[ArchivedTable], Iterator[Values]]

_DURABLE, _DROPPED = CheckpointState.DURABLE.value, CheckpointState.DROPPED.value
_ROWS_AT_ONCE = 200
_MAX_USER = 100


@dataclass(frozen=True)
class KeptFile:
    """A checkpoint or artifact whose bytes the store has: where, in which store, and how many of them were new."""

    digest: str
    location: str = ""
    store: str | None = None
    written_bytes: int = 0


@dataclass(frozen=True)
class Arrival:
    """One run on its way in. `checkpoints` and `artifacts` are those whose bytes came with it, by id."""

    run: ArchivedRun
    archive: str
    project: str
    user: str
    now: datetime
    read: Reader
    checkpoints: Mapping[str, KeptFile] = field(default_factory=dict)
    artifacts: Mapping[str, KeptFile] = field(default_factory=dict)


def find_known(conn: Connection, run: ArchivedRun) -> str | None:
    """Return the project of a run that is here already, or None where no run has its id.

    Raises Conflict where another run has the id, RunDeleted where this one was deleted here.
    """
    columns = (RunTable.created_at, RunTable.deleted_at, ProjectTable.name)
    query = select(*columns).join(ProjectTable, RunTable.project_pk == ProjectTable.pk).where(RunTable.id == run.id)
    row = conn.execute(query).first()
    if row is None:
        return None
    if row.created_at != run.created_at:
        hint = "Both cannot be here: rename nothing, but delete or export the other one first."
        raise Conflict(f"There is another run {run.id} here, of project {row.name}.", field="run", hint=hint)
    if row.deleted_at is not None:
        hint = f"`keepbest rm {run.id} --undo` brings it back."
        raise RunDeleted(f"Run {run.id} is here already, and was deleted.", field="run", hint=hint)
    return str(row.name)


def bring_run(conn: Connection, arrival: Arrival) -> RunRow:
    """Write all rows of a run that is not here yet, and check that every page of it can be read.

    Raises InvalidInput for what no run of keepbest holds, Conflict for ids that other runs have.
    """
    project = projects.ensure_project(conn, arrival.project, user=arrival.user, now=arrival.now)
    pk = _add_run(conn, arrival, project)
    run = runs.get_by_pk(conn, pk)
    for table in OF_RUN[1:]:
        fixed = {name: value for name, value in _fixed(run).items() if name in table.table.c}
        fixed = {"run": run.id, "project": run.project} if table.name == EVENTS else fixed
        for rows in _gather(arrival.read(table)):
            _refuse_known(conn, table, rows)
            conn.execute(insert(table.table), [{**_adapt(table, row, arrival), **fixed} for row in rows])
    checks.check_readable(conn, run)
    detail = {"author": arrival.run.author, "archive": arrival.archive, "name": run.name, "project": run.project}
    events.append(conn, "run.imported", run, detail, arrival.now)
    audit.record(conn, arrival.user, "run.import", run.id, arrival.now, detail)
    return run


def mark_user(name: str) -> str:
    """Return the name of a person elsewhere, which is no name of a person here."""
    return name if name.endswith(ELSEWHERE) else name[: _MAX_USER - len(ELSEWHERE)] + ELSEWHERE


def _add_run(conn: Connection, arrival: Arrival, project: Any) -> int:
    rows = list(arrival.read(RUN))
    if len(rows) != 1 or rows[0]["id"] != arrival.run.id or rows[0]["created_at"] != arrival.run.created_at:
        raise refuse(RUN, f"they are not the one row of run {arrival.run.id}")
    row = rows[0]
    _check_run(row)
    author = (row["imported_from"] or {}).get("author", row["created_by"])
    came = {"author": str(author)[:_MAX_USER], "number": row["number"], "archive": arrival.archive}
    own = {
        "project_pk": project.pk,
        "number": _choose_number(conn, project, row["number"]),
        "created_by": arrival.user,
        "imported_from": {**came, "at": arrival.now.isoformat()},
    }
    return int(conn.execute(insert(RunTable).values(**{**row, **own}).returning(RunTable.pk)).scalar_one())


def _check_run(row: Values) -> None:
    try:
        is_final = RunState(row["state"]).is_final
        RunSpec.model_validate(row["spec"])
    except (ValueError, ValidationError) as error:
        raise refuse(RUN, f"its state or spec is none of a run ({str(error).splitlines()[0]})") from None
    if not is_final:
        raise refuse(RUN, f"run {row['id']} has not ended")


def _choose_number(conn: Connection, project: Any, number: int) -> int:
    """Return the run's own number where it is free in the project, else the next one."""
    next_number = projects.take_number(conn, project.pk)
    taken = select(RunTable.pk).where(RunTable.project_pk == project.pk, RunTable.number == number)
    is_free = number > 0 and conn.execute(taken).first() is None
    chosen = number if is_free else next_number
    if is_free:
        following = max(next_number, number + 1 if number < 2**31 - 2 else next_number)
        conn.execute(update(ProjectTable).where(ProjectTable.pk == project.pk).values(next_number=following))
    return chosen


def _gather(rows: Iterator[Values]) -> Iterator[tuple[Values, ...]]:
    """Yield rows as many at once as one statement takes."""
    while some := tuple(islice(rows, _ROWS_AT_ONCE)):
        yield some


def _fixed(run: RunRow) -> Values:
    return {"run_pk": run.pk, "project_pk": run.project_pk}


def _refuse_known(conn: Connection, table: ArchivedTable, rows: tuple[Values, ...]) -> None:
    """Raise Conflict where a row has an id that a row here has."""
    if "id" not in table.table.c:
        return
    ids = [row["id"] for row in rows]
    known = conn.execute(select(table.table.c.id).where(table.table.c.id.in_(ids)).limit(1)).scalar()
    if known is not None or len(set(ids)) < len(ids):
        what = known or min(id for id in ids if ids.count(id) > 1)
        message = f"{what} of the archive's {table.name} is there already, and belongs to another run."
        raise Conflict(message, field="archive", hint="The archive was not made by keepbest, or was changed.")


def _adapt(table: ArchivedTable, row: Values, arrival: Arrival) -> Values:
    """Return a row as it stands here: what belongs to this tracker is put in, and data that is packed is checked."""
    change = _CHANGES.get(table.name)
    try:
        return row if change is None else change(row, arrival)
    except InvalidInput as error:
        raise refuse(table, error.message.rstrip(".")) from None


def _change_lease(row: Values, arrival: Arrival) -> Values:
    """A lease that nobody holds: attempts are counted by leases, and no secret opens this one."""
    return {**row, "digest": secrets.token_hex(32), "ended_at": row["ended_at"] or arrival.now}


def _change_checkpoint(row: Values, arrival: Arrival) -> Values:
    kept = arrival.checkpoints.get(row["id"])
    if row["state"] == _DURABLE and kept is not None:
        if kept.digest != row["digest"]:
            raise InvalidInput(f"The manifest of checkpoint {row['id']} is another one.")
        where = {"location": kept.location, "store": kept.store, "written_bytes": kept.written_bytes}
        return {**row, **where, "is_gone": False}
    return {**row, "state": _DROPPED, "location": "", "store": None, "written_bytes": 0, "is_gone": False}


def _change_artifact(row: Values, arrival: Arrival) -> Values:
    row = {**row, "user": mark_user(row["user"]), "written_bytes": 0}
    kept = arrival.artifacts.get(row["id"])
    if row["state"] == _DURABLE and kept is not None:
        return {**row, "written_bytes": kept.written_bytes}
    return {**row, "state": _DROPPED, "is_current": False}


def _change_chunk(row: Values, arrival: Arrival) -> Values:
    checks.check_chunk(row)
    return row


def _change_panel(row: Values, arrival: Arrival) -> Values:
    checks.check_panel(row)
    return row


def _change_examples(row: Values, arrival: Arrival) -> Values:
    checks.check_examples(row)
    return row


def _change_event(row: Values, arrival: Arrival) -> Values:
    checks.check_kind(row)
    return row


_CHANGES: dict[str, Callable[[Values, Arrival], Values]] = {
    "leases": _change_lease,
    "checkpoints": _change_checkpoint,
    "artifacts": _change_artifact,
    "metric_chunks": _change_chunk,
    "panels": _change_panel,
    "validation_examples": _change_examples,
    "events": _change_event,
    "receipts": lambda row, arrival: {**row, "user": mark_user(row["user"])},
    "commands": lambda row, arrival: {**row, "requested_by": mark_user(row["requested_by"])},
}
