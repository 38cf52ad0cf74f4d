"""Exit statuses, and how the command prints an error: what happened, which field, what to do next. No traceback."""

from __future__ import annotations

from enum import IntEnum

from keepbest import errors
from keepbest.cli.common.output import warn
from keepbest.status import RunState


class Exit(IntEnum):
    """The exit statuses of the command; docs/reference/cli.md lists them."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    NO_ACCESS = 4
    UNREACHABLE = 5
    RUN_FAILED = 6
    RUN_CANCELLED = 7
    RECEIPT_DIFFERS = 8
    PLAN_DIFFERS = 9
    INTERRUPTED = 130


MEANINGS = {
    Exit.OK: "done; a run that was followed finished",
    Exit.ERROR: "something went wrong",
    Exit.USAGE: "the command line, or what was asked for, is not valid",
    Exit.NOT_FOUND: "there is no such run, checkpoint, project, user or file",
    Exit.NO_ACCESS: "no valid token, or one whose role may not do this",
    Exit.UNREACHABLE: "the tracker does not answer, or has no capacity",
    Exit.RUN_FAILED: "the run that was followed failed",
    Exit.RUN_CANCELLED: "the run that was followed was cancelled",
    Exit.RECEIPT_DIFFERS: "the restored model does not give the recorded value",
    Exit.PLAN_DIFFERS: "the network is not the one of the checkpoint (`restore --plan`)",
    Exit.INTERRUPTED: "ended by Ctrl-C",
}

#: The first class that fits decides.
_BY_ERROR: tuple[tuple[type[errors.KeepbestError], Exit], ...] = (
    (errors.InvalidInput, Exit.USAGE),
    (errors.NotFound, Exit.NOT_FOUND),
    (errors.NotAuthenticated, Exit.NO_ACCESS),
    (errors.NotAllowed, Exit.NO_ACCESS),
    (errors.Unreachable, Exit.UNREACHABLE),
    (errors.Busy, Exit.UNREACHABLE),
)

_BY_STATE = {RunState.FAILED: Exit.RUN_FAILED, RunState.CANCELLED: Exit.RUN_CANCELLED}


def status_of(error: errors.KeepbestError) -> Exit:
    return next((status for kind, status in _BY_ERROR if isinstance(error, kind)), Exit.ERROR)


def status_of_run(state: RunState) -> Exit:
    """Return the exit status of a command that followed a run to its end."""
    return _BY_STATE.get(state, Exit.OK)


def print_error(message: str, *, field: str | None = None, hint: str | None = None) -> None:
    """Print an error to stderr in at most three parts."""
    warn(f"error: {message}")
    if field:
        warn(f"field: {field}")
    if hint:
        warn(f"next: {hint}")
