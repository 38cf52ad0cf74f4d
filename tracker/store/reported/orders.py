"""What a script that reports by requests is told when it asks: to stop, and why. Nobody here can stop it.

The answer is a text, `patience: no better val_loss …`. A script that obeys sends it back in the tag `keepbest.stopped`:
then the run ends with that reason.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from keepbest.contract.batches import CommandUpdate
from keepbest.status import CommandKind, RunState, StopReason
from keepbest.stopping import build
from tracker.models import ReportedRunTable, RunKeyedTagTable, RunTable, ValidationTable
from tracker.store import commands
from tracker.store.reported import keyed_tags
from tracker.store.runs import RunRow

#: The tag in which the answer stands, and the one in which a script says that it obeys.
STOP, STOPPED = "keepbest.stop", "keepbest.stopped"
#: Policies whose reason has another name.
_REASONS = {"check_finite": StopReason.NON_FINITE}
#: Why no script ends itself.
_NEVER = (StopReason.ERROR, StopReason.WORKER_LOST, StopReason.STALLED, StopReason.SUCCESSIVE_HALVING)


def find_order(conn: Connection, run: RunRow) -> str | None:
    """Return why a reported run shall stop: a person or a rule of its project says so, or its stopper; else None."""
    if not run.is_reported or RunState(run.state) in (RunState.FINISHED, RunState.FAILED):
        return None
    if run.state == RunState.CANCELLED:
        return f"{StopReason.USER}: the run was cancelled"
    stops = [command for command in commands.open_commands(conn, run.pk) if command.kind is CommandKind.STOP]
    if stops:
        reason = stops[0].arguments.get("reason", StopReason.USER.value)
        return f"{reason}: {stops[0].arguments.get('message') or f'{stops[0].requested_by} stopped the run'}"
    return _find_verdict(conn, run)


def obey(conn: Connection, run: RunRow, now: datetime) -> None:
    """Note that the script of a run obeys: the commands to stop are done."""
    for command in commands.open_commands(conn, run.pk):
        if command.kind is CommandKind.STOP:
            commands.update_command(conn, run, CommandUpdate(id=command.id, state="done", at=now), now)


def find_end(conn: Connection, run: RunRow) -> tuple[StopReason, str] | None:
    """Return with which reason and message a run ends whose script obeyed; None where it was not told, or went on."""
    obeyed = keyed_tags.read_tags(conn, [run.pk])[run.pk].get(STOPPED, "")
    name, _, message = obeyed.partition(": ")
    known = [reason for reason in StopReason if reason not in _NEVER and reason.value == name]
    return (known[0], message[:500]) if known else None


def forget(conn: Connection, run: RunRow) -> None:
    """Let a run that is set to running again begin to wait anew, if its stopper had told it to stop."""
    stopped = (RunKeyedTagTable.run_pk == run.pk, RunKeyedTagTable.key == STOPPED)
    conn.execute(delete(RunKeyedTagTable).where(*stopped))
    state = _read_state(conn, run)
    if state is None or state["memory"].get("stopped") is None:
        return
    row = conn.execute(select(RunTable.spec, RunTable.mode).where(RunTable.pk == run.pk)).one()
    renewed = build(row.spec["stopper"], row.mode).restart_patience(state, run.last_validation_step or 0)
    own = update(ReportedRunTable).where(ReportedRunTable.run_pk == run.pk)
    conn.execute(own.values(stopper_state=renewed))


def _find_verdict(conn: Connection, run: RunRow) -> str | None:
    """Return what the stopper in the shadow said where it would have stopped."""
    state = _read_state(conn, run)
    if state is None or state["memory"].get("stopped") is None:
        return None
    table = ValidationTable
    there = select(table.decision).where(table.run_pk == run.pk, table.step == state["memory"]["said"])
    decision = conn.execute(there.order_by(table.segment.desc()).limit(1)).scalar()
    verdicts = [verdict for verdict in (decision or {}).get("verdicts", []) if verdict["would_stop"]]
    if not verdicts:
        return None
    name = verdicts[0]["policy"]
    reason = _REASONS.get(name) or (name if name in list(StopReason) else StopReason.PATIENCE)
    return f"{reason}: {verdicts[0]['message']}"


def _read_state(conn: Connection, run: RunRow) -> dict[str, Any] | None:
    own = select(ReportedRunTable.stopper_state).where(ReportedRunTable.run_pk == run.pk)
    return conn.execute(own).scalar()
