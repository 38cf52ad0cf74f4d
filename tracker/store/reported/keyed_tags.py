"""Keyed tags: tags with a key and a value of any length, of runs and of projects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from keepbest.errors import InvalidInput, NotFound
from tracker import db
from tracker.models import ProjectTagTable, RunKeyedTagTable, RunTable
from tracker.store import events
from tracker.store.reported import runs as reported
from tracker.store.runs import RunRow
from tracker.store.search.entries import MAX_TEXT

#: Keyed tags of one run or one project.
MAX_TAGS = 5000
#: The tag in which MLflow's clients say a run's name, and the one in which they say its notes.
NAME, NOTES = "mlflow.runName", "mlflow.note.content"
#: The tags in which a script says what its validations are and how they are judged, in keepbest's words.
MONITOR, MODE, STOPPER = "keepbest.monitor", "keepbest.mode", "keepbest.stopper"


def set_tags(conn: Connection, run: RunRow, tags: Mapping[str, str], now: datetime) -> None:
    """Set tags of a run, in place of those of the same keys; the run's name and notes follow theirs.

    Raises InvalidInput for more than a run may have.
    """
    rows = [_row(run, key, value) for key, value in sorted(tags.items()) if key != NOTES]
    if rows:
        statement = db.insert(conn, RunKeyedTagTable)
        changes = {"text": statement.excluded.text, "rest": statement.excluded.rest}
        conn.execute(statement.on_conflict_do_update(index_elements=["run_pk", "key"], set_=changes), rows)
        _check_count(conn, run)
    if MONITOR in tags:
        reported.watch(conn, run, tags[MONITOR])
    if NAME in tags:
        reported.rename(conn, run, tags[NAME], now)
    if NOTES in tags:
        conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(notes=tags[NOTES], updated_at=now))
        events.append(conn, "run.changed", run, {"notes": tags[NOTES]}, now)


def delete_tag(conn: Connection, run: RunRow, key: str, now: datetime) -> None:
    """Take a tag from a run; raises NotFound where there is none."""
    if key == NOTES and run.notes:
        conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(notes="", updated_at=now))
        events.append(conn, "run.changed", run, {"notes": ""}, now)
        return
    gone = delete(RunKeyedTagTable).where(RunKeyedTagTable.run_pk == run.pk, RunKeyedTagTable.key == key)
    if not conn.execute(gone).rowcount:
        raise NotFound(f"No tag with name: {key} in run with id {run.id}.", field="key")


def read_tags(conn: Connection, run_pks: Sequence[int]) -> dict[int, dict[str, str]]:
    """Return the tags of each run, by key."""
    table = RunKeyedTagTable
    rows = conn.execute(select(table.run_pk, table.key, table.text, table.rest).where(table.run_pk.in_(run_pks)))
    tags: dict[int, dict[str, str]] = {pk: {} for pk in run_pks}
    for pk, key, text, rest in rows:
        tags[pk][key] = text + (rest or "")
    return tags


def set_project_tags(conn: Connection, project_pk: int, tags: Mapping[str, str]) -> None:
    """Set tags of a project; raises InvalidInput for more than a project may have."""
    if not tags:
        return
    rows = [{"project_pk": project_pk, "key": key, "value": value} for key, value in sorted(tags.items())]
    statement = db.insert(conn, ProjectTagTable)
    changed = statement.on_conflict_do_update(
        index_elements=["project_pk", "key"], set_={"value": statement.excluded.value}
    )
    conn.execute(changed, rows)
    counted = select(func.count()).select_from(ProjectTagTable).where(ProjectTagTable.project_pk == project_pk)
    _refuse_many(conn.execute(counted).scalar_one())


def delete_project_tag(conn: Connection, project_pk: int, key: str) -> None:
    """Take a tag from a project; raises NotFound where there is none."""
    gone = delete(ProjectTagTable).where(ProjectTagTable.project_pk == project_pk, ProjectTagTable.key == key)
    if not conn.execute(gone).rowcount:
        raise NotFound(f"No tag with name: {key} in this experiment.", field="key")


def read_project_tags(conn: Connection, project_pks: Sequence[int]) -> dict[int, dict[str, str]]:
    """Return the tags of each project, by key."""
    table = ProjectTagTable
    tags: dict[int, dict[str, str]] = {pk: {} for pk in project_pks}
    for row in conn.execute(select(table.project_pk, table.key, table.value).where(table.project_pk.in_(project_pks))):
        tags[row.project_pk][row.key] = row.value
    return tags


def _row(run: RunRow, key: str, value: str) -> dict[str, Any]:
    rest = value[MAX_TEXT:] or None
    return {"run_pk": run.pk, "key": key, "project_pk": run.project_pk, "text": value[:MAX_TEXT], "rest": rest}


def _check_count(conn: Connection, run: RunRow) -> None:
    counted = select(func.count()).select_from(RunKeyedTagTable).where(RunKeyedTagTable.run_pk == run.pk)
    _refuse_many(conn.execute(counted).scalar_one())


def _refuse_many(count: int) -> None:
    if count > MAX_TAGS:
        raise InvalidInput(f"One has at most {MAX_TAGS:,} tags, but this would have {count:,}.", field="tags")
