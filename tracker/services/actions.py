"""One action on many runs: each in a transaction of its own, so that what one run refuses holds up no other."""

from __future__ import annotations

from datetime import datetime

from keepbest.contract.actions import ActionResult, ActionResults, RunsAction, RunsFilter
from keepbest.contract.commands import PauseRequest, StopRequest
from keepbest.contract.runs import RunPatch
from keepbest.contract.tags import TagChanges
from keepbest.errors import InvalidInput, KeepbestError
from keepbest.query.parser import parse
from keepbest.status import RunState
from tracker import db
from tracker.db import Connection, Engine
from tracker.services import gc
from tracker.settings import TrackerSettings
from tracker.store import commands, deletions, moves, runs
from tracker.store.access.users import Principal
from tracker.store.runs import RunRow
from tracker.store.search.listing import RunSearch
from tracker.store.search.matching import Matching, find_matching


def act(
    settings: TrackerSettings, engine: Engine, action: RunsAction, *, principal: Principal, now: datetime
) -> ActionResults:
    """Do the action to each run, once, and say what became of each.

    Raises InvalidInput for a filter that is none, NotFound for a project that is not there.
    """
    meant = Matching(action.runs, 0, False, None)
    if action.filter is not None:
        with db.read(engine) as conn:
            meant = _find_runs(conn, action.filter, principal, now)
    results = [_act_on(settings, engine, run, action, principal.user, now) for run in dict.fromkeys(meant.ids)]
    return ActionResults(results=results, more=meant.more, more_is_least=meant.more_is_least, cursor=meant.cursor)


def _find_runs(conn: Connection, wanted: RunsFilter, principal: Principal, now: datetime) -> Matching:
    term = parse(wanted.q, now)
    if term is None:
        hint = "For all runs of the project: number >= 1"
        raise InvalidInput("The filter says nothing, so it would mean every run.", field="filter.q", hint=hint)
    search = RunSearch(wanted.project, term, wanted.q)
    return find_matching(conn, search, cursor=wanted.cursor, limit=wanted.limit, principal=principal)


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
