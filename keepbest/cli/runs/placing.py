"""`priority` and `mv`: a run's place in the queue, and its project."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from keepbest.cli.common.errors import Exit, print_error
from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import print_json, say
from keepbest.client.client import Client
from keepbest.contract.actions import ActionResults, RunsAction
from keepbest.contract.validate import request
from keepbest.errors import InvalidInput


def priority(
    words: Annotated[
        list[str], typer.Argument(metavar="RUN... N", help="Ids of runs, and their priority: -100 to 100.")
    ],
    as_json: AsJson = False,
) -> int:
    """Give queued runs another priority: of those that wait, workers take the highest first, then the oldest.

    A negative priority needs `--` before the words: `keepbest priority -- RUN -5`.
    """
    *runs, text = words
    try:
        number = int(text)
    except ValueError:
        hint = "The runs first, then the number: keepbest priority 9k2m4q7w1r5t 10"
        raise InvalidInput(f"{text!r} is no priority.", field="priority", hint=hint) from None
    return _act(runs, f"has priority {number}", as_json, action="priority", priority=number)


def mv(
    words: Annotated[list[str], typer.Argument(metavar="RUN... PROJECT", help="Ids of runs, and their new project.")],
    as_json: AsJson = False,
) -> int:
    """Move runs to another project, which is made if it is new. Each gets a number there, and keeps its id."""
    *runs, project = words
    return _act(runs, f"is in project {project}", as_json, action="move", project=project)


def _act(runs: list[str], done: str, as_json: bool, **fields: Any) -> int:
    with Client() as client:
        answer = client.act_on_runs(request(RunsAction, runs=runs, **fields))
    return _report(answer, done, as_json)


def _report(answer: ActionResults, done: str, as_json: bool) -> int:
    if as_json:
        print_json(answer)
    for result in answer.results:
        if not result.is_done:
            print_error(result.message, hint=result.hint)
        elif not as_json:
            say(f"{result.run} {done}.")
    return Exit.OK if all(result.is_done for result in answer.results) else Exit.ERROR
