"""The files through which a worker hands a run to a command's script, and the script answers the worker.

KEEPBEST_ASSIGNMENT names a file that only its owner can read. It holds the lease and the worker's token; every child
process would inherit a secret in the environment itself, and many programs print their environment.

<folder>/handed.json   the run and its lease       <folder>/journal/    the script's journals; the worker sends the rest
<folder>/begun         the script began the run    <folder>/said.json   the Release with which the script ended the run
<folder>/listening     the script takes commands
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, ValidationError

from keepbest.contract.base import Answer
from keepbest.contract.runs import Segment
from keepbest.contract.workers import Assignment, Release
from keepbest.errors import Conflict, InvalidInput
from keepbest.settings import write_private

NAME = "handed.json"


class Handed(Answer):
    """The content of handed.json. `segments` are those of earlier attempts."""

    assignment: Assignment
    url: str
    token: str = Field(repr=False)
    segments: list[Segment] = Field(default_factory=list)

    def write(self, folder: Path) -> Path:
        """Put the file into the run's folder; return its path."""
        path = folder / NAME
        write_private(path, self.model_dump_json())
        return path


def read_handed(path: Path) -> Handed:
    """Read the file; raises InvalidInput if it holds no run."""
    try:
        return Handed.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InvalidInput(
            f"KEEPBEST_ASSIGNMENT names {path}, which holds no run of a worker.",
            field="KEEPBEST_ASSIGNMENT",
            hint="Unset KEEPBEST_ASSIGNMENT: only a worker sets it, for the commands that it runs.",
        ) from error


def take(path: Path, run: str) -> None:
    """Mark the run as begun; raises Conflict if the command has already begun it: one command is one run."""
    try:
        os.close(os.open(path.with_name("begun"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise Conflict(
            f"This command has begun its run {run} already: one command is one run.",
            field="id",
            hint='For a second run, choose its id, 12 letters and digits: keepbest.init(id="…").',
        ) from None


def note_listening(path: Path) -> None:
    """Tell the worker that the script takes commands."""
    path.with_name("listening").touch()


def is_listening(folder: Path) -> bool:
    """Whether the script takes commands and has not ended its run."""
    return (folder / "listening").exists() and not (folder / "said.json").exists()


def write_said(path: Path, release: Release) -> None:
    """Tell the worker how the script ended its run."""
    write_private(path.with_name("said.json"), release.model_dump_json())


def find_said(folder: Path) -> Release | None:
    """Return how the script ended its run, or None if the script did not tell."""
    try:
        return Release.model_validate_json((folder / "said.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
