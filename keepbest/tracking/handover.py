"""A run that a worker handed to a command: where the command's script finds it, and what it leaves for the worker.

The worker names a file in KEEPBEST_ASSIGNMENT. It is readable by its owner only and holds the lease and the worker's
token: what lies in the environment itself is inherited by everything, and printed by whatever prints its environment.

<folder>/handed.json   this            <folder>/journal/    the script's journals; the worker sends what is left
<folder>/begun         taken up        <folder>/said.json   how the script says it ended
<folder>/listening     somebody in the script asks for commands
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
    """What the file says. `segments` are those of earlier attempts."""

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
    """Read the file; raises InvalidInput where it holds no run."""
    try:
        return Handed.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InvalidInput(
            f"KEEPBEST_ASSIGNMENT names {path}, which holds no run of a worker.",
            field="KEEPBEST_ASSIGNMENT",
            hint="Unset it: only a worker sets it, for a command that it runs.",
        ) from error


def take(path: Path, run: str) -> None:
    """Mark the run as begun; raises Conflict where the command began it already: one command is one run."""
    try:
        os.close(os.open(path.with_name("begun"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise Conflict(
            f"This command has begun its run {run} already: one command is one run.",
            field="id",
            hint='For another one beside it, name it by 12 letters and digits: keepbest.init(id="…").',
        ) from None


def note_listening(path: Path) -> None:
    """Tell the worker that a stop that somebody asks for is heard here."""
    path.with_name("listening").touch()


def is_listening(folder: Path) -> bool:
    """Whether the script asks for commands, and has not ended its run."""
    return (folder / "listening").exists() and not (folder / "said.json").exists()


def write_said(path: Path, release: Release) -> None:
    """Say how the script ended its run."""
    write_private(path.with_name("said.json"), release.model_dump_json())


def find_said(folder: Path) -> Release | None:
    """Return how the script ended its run, or None where it said nothing."""
    try:
        return Release.model_validate_json((folder / "said.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
