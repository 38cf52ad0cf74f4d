"""Which runs a command means: those named by id, or all that fit a filter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from keepbest.client.client import Client
from keepbest.contract.runs import Run
from keepbest.errors import InvalidInput, NotFound

Filter = Annotated[
    str | None, typer.Option("--filter", "-f", help="All runs that fit this filter, instead of runs by id.")
]
#: Runs of one request.
PAGE = 500


def choose_runs(client: Client, references: Sequence[str], filter: str | None, project: str | None) -> list[Run]:
    """Return the runs that are meant, each once.

    Raises InvalidInput where both ways are used or neither, NotFound where there is no such run, or none fits.
    """
    if (filter is None) == (not references):
        message = "Name the runs, or give --filter." if filter is None else "Name the runs or give --filter, not both."
        raise InvalidInput(message, field="run", hint="`keepbest ls` lists the runs.")
    if filter is None:
        runs = [client.run(reference) for reference in references]  # a wrong name changes none of them
        return list({run.id: run for run in runs}.values())
    runs = list(find_runs(client, filter, project))
    if not runs:
        raise NotFound(f"No run fits {filter!r}.", field="filter", hint="`keepbest ls` lists the runs.")
    return runs


def find_runs(client: Client, filter: str, project: str | None) -> Iterator[Run]:
    """Yield every run that fits, page by page."""
    page = client.runs(project=project, q=filter, limit=PAGE)
    yield from page.runs
    while page.cursor is not None:
        page = client.runs(project=project, q=filter, limit=PAGE, cursor=page.cursor)
        yield from page.runs
