"""What the tracker did not take: one file a run, in `<KEEPBEST_DIR>/set-aside/`, for people to read and to send again.

A line of JSON each: when, of which run, writer and batch number, why, what it is in words, and the entry itself in the
JSON form of a batch. Whatever cannot be read as one is there in base64.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic_core import to_json

from keepbest.errors import InvalidInput
from keepbest.reporting import pieces

FOLDER = "set-aside"
#: The folders in which journals lie, below the one that the settings name.
_ROOMS = frozenset({"journals", "offline", "worker"})


@dataclass(frozen=True, slots=True)
class SetAside:
    """What one run's file says: how many entries, and the last one."""

    run: str
    path: Path
    entries: int
    what: str
    why: str


def place_of(journal: Path, run: str) -> Path:
    """Return the file for what a journal's entries could not be delivered."""
    room = next((parent for parent in journal.parents if parent.name in _ROOMS), journal)
    return room.parent / FOLDER / f"{run}.jsonl"


def keep(path: Path, run: str, writer: str, number: int, body: bytes, why: str) -> str | None:
    """Write an entry down, durably; return what is wrong where that cannot be."""
    said = {
        "at": datetime.now(UTC).isoformat(),
        "run": run,
        "writer": writer,
        "number": number,
        "why": why,
        "what": pieces.describe(body),
        **_content(body),
    }
    try:
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        _append(path, to_json(said, inf_nan_mode="strings") + b"\n")
    except OSError as error:
        return f"{path} cannot be written ({error.strerror or error})"
    return None


def list_set_aside(folder: Path) -> Iterator[SetAside]:
    """Yield what lies in keepbest's folder, by run."""
    for path in sorted((folder / FOLDER).glob("*.jsonl")):
        count, last = 0, {}
        with suppress(OSError), path.open("rb") as file:
            for line in file:
                count += 1
                last = _read(line)
        if count:
            yield SetAside(path.stem, path, count, str(last.get("what", "?")), str(last.get("why", "?")))


def _content(body: bytes) -> dict[str, object]:
    try:
        return {"batch": pieces.as_json(body)}
    except InvalidInput:
        return {"base64": base64.b64encode(body).decode()}


def _append(path: Path, line: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, line)
        os.fsync(file)
    finally:
        os.close(file)


def _read(line: bytes) -> dict[str, object]:
    with suppress(ValueError, RecursionError):
        said = json.loads(line)
        return said if isinstance(said, dict) else {}
    return {}
