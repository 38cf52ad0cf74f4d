"""Acts on several runs in turn: what one run refuses holds up no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from keepbest.cli.common.errors import Exit, print_error
from keepbest.errors import Conflict, InvalidInput, NotFound

Result = TypeVar("Result")
#: What a run itself refuses. Other errors, such as a tracker that does not answer, concern all runs, and end the act.
REFUSALS = (Conflict, InvalidInput, NotFound)


def act_on_each(runs: Iterable[str], act: Callable[[str], Result]) -> tuple[list[Result], Exit]:
    """Act on each run once; print the refusal of a run, and go on with the others.

    Returns the results of those that did it, and the exit status: an error where a run refused. The refusal of the
    only run is raised.

    Example: `act_on_each(ids, client.cancel_run)`.
    """
    ids, results, status = list(dict.fromkeys(runs)), list[Result](), Exit.OK
    for run in ids:
        try:
            results.append(act(run))
        except REFUSALS as error:
            if len(ids) == 1:
                raise
            status = Exit.ERROR
            message = error.message if run in error.message else f"Run {run}: {error.message}"
            print_error(message, field=error.field, hint=error.hint)
    return results, status
