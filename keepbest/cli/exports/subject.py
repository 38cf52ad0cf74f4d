"""What is exported: one run, or the runs of a project."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keepbest.client.client import Client
from keepbest.client.found_runs import FoundRun, FoundRuns, runs
from keepbest.contract.base import ID_ALPHABET, ID_LENGTH
from keepbest.errors import InvalidInput, NotFound


@dataclass(frozen=True)
class ExportSubject:
    """Several runs of one project: all of them, or the one with the id `run`."""

    client: Client
    project: str
    run: str | None = None

    def find(self) -> FoundRuns:
        """Return the runs, oldest first."""
        chosen = None if self.run is None else f"id = {self.run}"
        return runs(chosen, project=self.project, sort="created", order="asc", client=self.client)

    def __iter__(self) -> Iterator[FoundRun]:
        return iter(self.find())


def find_subject(client: Client, text: str) -> ExportSubject:
    """Return the run or project that a text names: a whole id, a project's name, or the beginning of an id.

    Raises NotFound where it is none of them.
    """
    if len(text) == ID_LENGTH and not set(text) - set(ID_ALPHABET):
        try:
            return _of_run(client, text)
        except NotFound:
            return ExportSubject(client, client.project(text).name)
    try:
        return ExportSubject(client, client.project(text).name)
    except (NotFound, InvalidInput) as unknown:
        try:
            return _of_run(client, text)
        except NotFound:
            raise NotFound(f"There is neither a run nor a project {text!r}.", field="run", hint=unknown.hint) from None


def _of_run(client: Client, text: str) -> ExportSubject:
    run = client.run(text)
    return ExportSubject(client, run.project, run.id)
