"""Parameters that arrive while a run goes on: each has one value for ever, a text where MLflow sends it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from keepbest.contract.runs import MAX_PARAMETERS
from keepbest.errors import InvalidInput
from tracker.models import RunTable
from tracker.store import events
from tracker.store.reported import runs as reported
from tracker.store.runs import RunRow
from tracker.store.search import entries

#: What Keras' autologging says of an EarlyStopping, all at once: its `monitor` is what the run watches.
STOPPING = frozenset({"monitor", "patience", "min_delta"})


def add_parameters(conn: Connection, run: RunRow, given: Mapping[str, Any], now: datetime) -> None:
    """Add parameters to a run; one that it has already must have the same value.

    Raises InvalidInput for another value, and for more parameters than a run may have.
    """
    spec = conn.execute(select(RunTable.spec).where(RunTable.pk == run.pk)).scalar_one()
    known: dict[str, Any] = spec["parameters"]
    for key, value in given.items():
        if key in known and str(known[key]) != str(value):
            raise _refuse_change(run, key, str(known[key]), str(value))
    new = {key: value for key, value in given.items() if key not in known}
    if not new:
        return
    if len(known) + len(new) > MAX_PARAMETERS:
        message = f"A run has at most {MAX_PARAMETERS:,} params, but this would have {len(known) + len(new):,}."
        raise InvalidInput(message, field="params", hint="Log what is larger as an artifact.")
    settled = {**spec, "parameters": {**known, **new}}
    variant = entries.describe_spec(settled)["variant"]
    conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(spec=settled, variant=variant, updated_at=now))
    entries.add_parameters(conn, run.pk, run.project_pk, new)
    if given.keys() >= STOPPING:
        reported.watch(conn, run, str(given["monitor"]))
    events.append(conn, "run.progress", run, {"parameters": new}, now)


def _refuse_change(run: RunRow, key: str, before: str, value: str) -> InvalidInput:
    message = (
        f"Changing param values is not allowed. Param with key='{key}' was already logged with value='{before}' "
        f"for run ID='{run.id}'. Attempted logging new value '{value}'."
    )
    return InvalidInput(message, field="params", hint="Begin a nested run for each value: start_run(nested=True).")
