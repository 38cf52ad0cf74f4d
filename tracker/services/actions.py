"""One action on many runs: each in a transaction of its own, so that what one run refuses holds up no other."""

from __future__ import annotations

from datetime import datetime

from keepbest.contract.actions import ActionResult, ActionResults, RunsAction
from keepbest.contract.commands import PauseRequest, StopRequest
from keepbest.contract.runs import RunPatch
from keepbest.contract.tags import TagChanges
from keepbest.errors import KeepbestError
from keepbest.status import RunState
from tracker import db
from tracker.db import Connection, Engine
from tracker.services import gc
from tracker.settings import TrackerSettings
from tracker.store import commands, deletions, moves, runs
from tracker.store.runs import RunRow


def act(settings: TrackerSettings, engine: Engine, action: RunsAction, *, user: str, now: datetime) -> ActionResults:
    """Do the action to each run, once, and say what became of each."""
    return ActionResults(
        results=[_act_on(settings, engine, run, action, user, now) for run in dict.fromkeys(action.runs)]
    )


def _act_on(
    settings: TrackerSettings, engine: Engine, run: str, action: RunsAction, user: str, now: datetime
) -> ActionResult:
    try:
        state: RunState | None
        if action.action == "undelete":
            state = gc.undelete(settings, engine, run, user=user, now=now).run.state
        else:
            with db.write(engine) as conn:
                state = _change(conn, runs.get_run(conn, run, lock=True), action, user, now)
    except KeepbestError as error:
        return ActionResult(run=run, is_done=False, message=error.message, hint=error.hint)
    return ActionResult(run=run, is_done=True, state=state)


def _change(conn: Connection, row: RunRow, action: RunsAction, user: str, now: datetime) -> RunState | None:
    """Do the action to a run that is locked; return its state afterwards, or None where it is deleted."""
    match action.action:
        case "stop":
            commands.request_command(conn, row, StopRequest(), user=user, now=now)
        case "pause":
            commands.request_command(conn, row, PauseRequest(), user=user, now=now)
        case "cancel":
            row = commands.cancel_run(conn, row, user=user, now=now)
        case "delete":
            deletions.delete_run(conn, row, user=user, now=now)
            return None
        case "move":
            row = moves.move_to_project(conn, row, str(action.project), user=user, now=now)
        case _:
            row = runs.patch_run(conn, row, _make_patch(action), user=user, now=now)
    return RunState(row.state)


def _make_patch(action: RunsAction) -> RunPatch:
    tags = action.tags or []
    match action.action:
        case "priority":
            return RunPatch(priority=action.priority)
        case "tag":
            return RunPatch(tag_changes=TagChanges(add=tags))
        case _:
            return RunPatch(tag_changes=TagChanges(remove=tags))
