"""Commands to a living run: a person requests one, the trainer acknowledges it and reports it done."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from keepbest.contract.base import new_id
from keepbest.contract.batches import CommandUpdate
from keepbest.contract.commands import CancelRequest, Command, CommandRequest, RollBackRequest
from keepbest.errors import Conflict, InvalidInput, NotFound
from keepbest.status import CommandKind, CommandState, RunState, StopReason
from tracker import models
from tracker.store import endings, events, last_steps, runs
from tracker.store.access import audit
from tracker.store.runs import RunRow

#: Open commands of one run at most; a trainer that obeys none needs no more.
MAX_OPEN = 20
OPEN = [state.value for state in CommandState if state.is_open]
#: A second request of these kinds returns the first command.
_ONCE = {CommandKind.STOP, CommandKind.CANCEL, CommandKind.PAUSE}


def request_command(conn: Connection, run: RunRow, request: CommandRequest, *, user: str, now: datetime) -> Command:
    """Add a command to a living run; a cancel of a run that nobody holds is done at once.

    Raises Conflict when nobody trains the run, InvalidInput when the target of a roll back does not exist.
    """
    kind = CommandKind(request.kind)
    obeys_nothing = kind is CommandKind.CANCEL and run.lease_digest is None  # its script reports and asks for nothing
    if not RunState(run.state).is_held or obeys_nothing:
        return _answer_unheld(conn, run, kind, user, now)
    if isinstance(request, RollBackRequest):
        request = _check_target(conn, run, request)
    if kind is CommandKind.PAUSE:
        _check_pause(run)
    waiting = open_commands(conn, run.pk)
    same = [command for command in waiting if command.kind is kind and kind in _ONCE]
    if same:
        return same[0]
    if len(waiting) >= MAX_OPEN:
        raise Conflict(f"Run {run.id} has {MAX_OPEN} open commands.", hint="Wait until its trainer has obeyed one.")
    arguments = request.model_dump(mode="json", exclude={"kind"}, exclude_none=True)
    return _add(conn, run, kind, CommandState.REQUESTED, arguments, user, now)


def cancel_run(conn: Connection, run: RunRow, *, user: str, now: datetime) -> RunRow:
    """Cancel a run: at once when nobody holds it, else with a command. A second cancel changes nothing."""
    if run.state != RunState.CANCELLED:
        request_command(conn, run, CancelRequest(), user=user, now=now)
    return runs.get_by_pk(conn, run.pk)


def update_command(conn: Connection, run: RunRow, command_update: CommandUpdate, now: datetime) -> None:
    """Store a trainer's report on a command. A repeated, late or foreign report changes nothing."""
    to = CommandState(command_update.state)
    before = [CommandState.REQUESTED.value] if to is CommandState.ACKNOWLEDGED else OPEN
    time = {"acknowledged_at": command_update.at} if to is CommandState.ACKNOWLEDGED else {"done_at": command_update.at}
    known = (
        (models.CommandTable.id == command_update.id)
        & (models.CommandTable.run_pk == run.pk)
        & models.CommandTable.state.in_(before)
    )
    values = {"state": to.value, "message": command_update.message, "result": command_update.result, **time}
    if conn.execute(update(models.CommandTable).where(known).values(**values)).rowcount:
        _announce(conn, run, _get(conn, run, command_update.id), now)


def open_commands(conn: Connection, run_pk: int) -> list[Command]:
    """Return the commands that the trainer has not finished, oldest first."""
    return [_show(row) for row in conn.execute(_select(run_pk).where(models.CommandTable.state.in_(OPEN)))]


def list_commands(conn: Connection, run_pk: int) -> list[Command]:
    """Return every command of a run, oldest first."""
    return [_show(row) for row in conn.execute(_select(run_pk))]


def wants_cancel(conn: Connection, run_pk: int) -> bool:
    """Whether the run has an open cancel command."""
    return any(command.kind is CommandKind.CANCEL for command in open_commands(conn, run_pk))


def expire_commands(conn: Connection, run: RunRow, now: datetime, why: str = "The run ended first.") -> None:
    """Close the open commands of a run that ends: a cancel is done, any other has expired."""
    for command in open_commands(conn, run.pk):
        is_done = command.kind is CommandKind.CANCEL
        to = CommandState.DONE if is_done else CommandState.EXPIRED
        message = "" if is_done else why
        values = {"state": to.value, "done_at": now, "message": message}
        conn.execute(update(models.CommandTable).where(models.CommandTable.id == command.id).values(**values))
        _announce(conn, run, _get(conn, run, command.id), now)


def _answer_unheld(conn: Connection, run: RunRow, kind: CommandKind, user: str, now: datetime) -> Command:
    if RunState(run.state).is_final:
        message = f"Run {run.id} is {run.state}: it takes no more commands."
        raise Conflict(message, field="run", hint=_suggest_after_end(run, kind))
    if kind is not CommandKind.CANCEL:
        waits = f"Let it go on: `keepbest resume {run.id}`" if run.state == RunState.PAUSED else "Wait for a worker"
        hint = f"{waits}, or end it: `keepbest cancel {run.id}`."
        raise Conflict(f"Run {run.id} is {run.state}: nothing trains it yet.", field="run", hint=hint)
    expire_commands(conn, run, now)
    before = endings.take_back(conn, run, now)
    if before is None:
        runs.move_run(conn, run, RunState.CANCELLED, now=now, reason=StopReason.USER, message=f"cancelled by {user}")
    message = f"No worker had resumed the run: it is {before.state} again." if before is not None else ""
    return _add(conn, run, kind, CommandState.DONE, {}, user, now, message)


def _suggest_after_end(run: RunRow, kind: CommandKind) -> str:
    """Return the hint for a command to a run that has ended: which commands work instead."""
    has_best = run.best_checkpoint is not None
    if kind is CommandKind.ROLL_BACK and has_best and run.source_kind == "external":
        return f'Its script goes on with it: keepbest.init(id="{run.id}", resume="must").'
    if kind is CommandKind.ROLL_BACK and has_best:
        return f"{last_steps.suggest_resume(run)} --to best, or as a run of its own: keepbest fork {run.id}"
    use = [f"use its best: `keepbest restore {run.id} --best --to restored`"] if has_best else []
    more = [f"train it further: `{last_steps.suggest_resume(run)}`"] if run.source_kind != "external" else []
    words = "; ".join([*use, *more, f"take it out of the list: `keepbest rm {run.id}`"])
    return f"{words[0].upper()}{words[1:]}."


def _check_pause(run: RunRow) -> None:
    """Raise Conflict where a run could not go on from its state, or somebody else decides when it does."""
    if run.source_kind not in ("recipe", "code"):
        hint = f"`keepbest stop {run.id}` ends it at its next validation; its script may go on with it later."
        raise Conflict(f"Run {run.id} is trained by a script, which cannot be paused.", field="run", hint=hint)
    if run.sweep_pk is not None:
        message = f"Run {run.id} is a trial of a sweep, which pauses and promotes its runs by itself."
        raise Conflict(message, field="run", hint=f"End it: `keepbest stop {run.id}`.")
    if run.incomplete is not None:
        message = f"The checkpoints of run {run.id} are incomplete, so that it could not go on: {run.incomplete}"
        raise Conflict(message, field="run", hint=f"End it: `keepbest stop {run.id}`.")


def _check_target(conn: Connection, run: RunRow, request: RollBackRequest) -> RollBackRequest:
    """Return the request with exactly one target; without a named one, the best."""
    targets = [name for name in ("to", "step", "checkpoint") if getattr(request, name) is not None]
    if len(targets) > 1:
        raise InvalidInput("Roll back to one place: best, a step or a checkpoint.", field=targets[1])
    if not targets:
        request = request.model_copy(update={"to": "best"})
    if request.to == "best" and run.best_step is None:
        raise Conflict(f"Run {run.id} has no best validation yet.", field="to", hint="Wait for its first validation.")
    if request.step is not None and request.step > (run.step or 0):
        message = f"Run {run.id} is at step {run.step or 0:,}; step {request.step:,} is ahead."
        raise InvalidInput(message, field="step", hint=f"`keepbest checkpoints {run.id}` lists the steps.")
    step = request.step if request.step is not None else run.best_step
    if request.checkpoint is not None:
        step = _find_step(conn, run, request.checkpoint)
    if request.max_steps is not None and step is not None and request.max_steps <= step:
        raise last_steps.need_more(step, request.max_steps)
    return request


def _find_step(conn: Connection, run: RunRow, checkpoint: str) -> int:
    """Return the step of a checkpoint of this run; raises NotFound unless the checkpoint is durable."""
    table = models.CheckpointTable
    row = conn.execute(select(table.state, table.step).where(table.id == checkpoint, table.run_pk == run.pk)).first()
    if row is None or row.state != "durable":
        problem = "is no longer on disk" if row else f"is not one of run {run.id}"
        hint = f"`keepbest checkpoints {run.id}` lists them."
        raise NotFound(f"Checkpoint {checkpoint} {problem}.", field="checkpoint", hint=hint)
    return int(row.step)


def _add(
    conn: Connection,
    run: RunRow,
    kind: CommandKind,
    state: CommandState,
    arguments: dict[str, Any],
    user: str,
    now: datetime,
    message: str = "",
) -> Command:
    values = {"id": new_id(), "run_pk": run.pk, "kind": kind.value, "state": state.value, "arguments": arguments}
    values["message"] = message
    fields = {"requested_by": user, "requested_at": now, "done_at": now if state is CommandState.DONE else None}
    conn.execute(insert(models.CommandTable).values(**values, **fields))
    audit.record(conn, user, f"command.{kind.value}", run.id, now, arguments)
    command = _get(conn, run, str(values["id"]))
    _announce(conn, run, command, now)
    return command


def _announce(conn: Connection, run: RunRow, command: Command, now: datetime) -> None:
    events.append(conn, "command.state", run, command.model_dump(mode="json"), now)


def _select(run_pk: int) -> Any:
    table = models.CommandTable
    columns = (*table.__table__.columns, models.RunTable.id.label("run"))
    joined = select(*columns).join(models.RunTable, models.RunTable.pk == table.run_pk)
    return joined.where(table.run_pk == run_pk).order_by(table.pk)


def _get(conn: Connection, run: RunRow, command: str) -> Command:
    return _show(conn.execute(_select(run.pk).where(models.CommandTable.id == command)).one())


def _show(row: Row[Any]) -> Command:
    return Command.model_validate(row._asdict())
