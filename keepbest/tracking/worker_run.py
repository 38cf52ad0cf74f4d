"""`keepbest.init` in a command that a worker runs: the worker's run, under the worker's lease.

The worker renews the lease, ends the process of a cancelled run, and gives the run back when the process has ended. The
script reports its records, and how its run ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keepbest.client.client import Client
from keepbest.contract.batches import Declared
from keepbest.contract.runs import CommandSource, DeclaredField, Mode, RunRequest
from keepbest.contract.workers import Assignment
from keepbest.settings import Resume, Settings
from keepbest.tracking.attach import attach
from keepbest.tracking.handover import note_listening, read_handed, take, write_said
from keepbest.tracking.history import RunHistory, anew
from keepbest.tracking.observer import observe
from keepbest.tracking.opening import open_script
from keepbest.tracking.run import Run
from keepbest.tracking.wandb.warnings import warn_once

#: The timeout of a request. One thread both journals and sends, so a tracker that hangs must not block it for long.
REQUEST_SECONDS = 5.0


def find_handed(settings: Settings, wanted: str | None) -> Path | None:
    """Return the file that hands a run to this script, unless the script names another run."""
    if settings.assignment is None:
        return None
    run = read_handed(settings.assignment).assignment.run
    return settings.assignment if wanted in (None, run.id) else None


def begin_handed(path: Path, request: RunRequest, how: Resume, settings: Settings) -> Run:
    """Begin to report the worker's run. `request` fills in what the submission left open.

    A later attempt goes on where an earlier one ended, unless `how` is "never". Needs no tracker: the records wait in
    the journal.
    """
    handed = read_handed(path)
    take(path, handed.assignment.run.id)
    declared = _declare(request)
    assignment = _settle(handed.assignment, declared)
    is_anew = how == "never"
    assignment = anew(assignment) if is_anew else assignment
    opening = open_script(assignment, RunHistory() if is_anew else RunHistory(handed.segments), assignment.next_segment)
    if is_anew:
        opening.goes_on = False
    run = attach(
        assignment,
        Client(handed.url, handed.token, timeout_seconds=REQUEST_SECONDS, retries=0),
        path.parent / "journal",
        opening=opening,
        on_end=lambda release: write_said(path, release),
        on_listen=lambda: note_listening(path),
        is_ended_from_outside=True,
    )
    run.fixed = _fixed_of(handed.assignment)
    run.names.change = lambda patch: warn_once("a run of a worker keeps its names; `keepbest rename` changes them.")
    run.url = f"{handed.url}/r/{run.id}"
    run.declare(declared)
    run.recorder.show_life(path.parent)
    run.watch_end()
    source = handed.assignment.run.spec.source
    observe(run, settings, git=source.git if isinstance(source, CommandSource) else None)
    return run


def _declare(request: RunRequest) -> Declared:
    return Declared(
        monitor=request.monitor,
        mode=request.mode if request.mode is not Mode.AUTO else None,
        stopper=request.stopper,
        max_steps=request.max_steps,
        parameters=request.parameters or None,
    )


def _fixed_of(assignment: Assignment) -> Sequence[DeclaredField]:
    source = assignment.run.spec.source
    return source.fixed if isinstance(source, CommandSource) else ()


def _settle(assignment: Assignment, declared: Declared) -> Assignment:
    """Return the assignment with the script's declarations for open fields of the submission, as the tracker does."""
    run, fixed = assignment.run, _fixed_of(assignment)
    fields: dict[str, Any] = {name: getattr(declared, name) for name in Declared.model_fields}
    fields = {name: value for name, value in fields.items() if value is not None and name not in fixed}
    mode = {"mode": fields["mode"]} if "mode" in fields else {}
    changed = run.model_copy(update={"spec": run.spec.model_copy(update=fields), **mode})
    return assignment.model_copy(update={"run": changed})
