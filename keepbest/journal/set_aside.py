"""Records that the tracker refused: one file for each run in `<KEEPBEST_DIR>/set-aside/`, to read and to send again.

Each line is a JSON object: the time, the run, the writer, the batch number, the reason, a description, and the entry
itself in the JSON form of a batch, or in base64 if it cannot be read. The file `<run>.leases` beside it holds the lease
of each writer for `keepbest.journal.retry`. It is separate because people show the other file to each other.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import to_json

from keepbest.errors import InvalidInput
from keepbest.journal import split
from keepbest.settings import write_private

FOLDER = "set-aside"
_LEASES = ".leases"
#: The folders in which journals lie, below the one that the settings name.
_ROOMS = frozenset({"journals", "offline", "worker"})


class Whose(Protocol):
    """The owner of a journal."""

    @property
    def run(self) -> str: ...
    @property
    def writer(self) -> str: ...
    @property
    def lease(self) -> str: ...


@dataclass(frozen=True, slots=True)
class SetAside:
    """A summary of one run's file: the number of entries, and the last entry."""

    run: str
    path: Path
    entries: int
    what: str
    why: str


def place_of(journal: Path, run: str) -> Path:
    """Return the file for the set-aside entries of a journal."""
    return home_of(journal) / FOLDER / f"{run}.jsonl"


def home_of(journal: Path) -> Path:
    """Return keepbest's folder, in which a journal lies."""
    return next((parent for parent in journal.parents if parent.name in _ROOMS), journal).parent


def keep(whose: Whose, path: Path, number: int, body: bytes, why: str, what: str | None = None) -> str | None:
    """Write an entry durably; return the problem if the disk fails, else None. `what` describes the entry."""
    fields: dict[str, object] = {
        "at": datetime.now(UTC).isoformat(),
        "run": whose.run,
        "writer": whose.writer,
        "number": number,
        "why": why,
        "what": what or split.describe(body),
    }
    try:
        fields["batch"] = split.as_json(body)
    except InvalidInput:
        fields["base64"] = base64.b64encode(body).decode()
    try:
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        with _locked(path):
            _append(path, to_json(fields, inf_nan_mode="strings") + b"\n")
            known = read_leases(path)
            if whose.lease and known.get(whose.writer) != whose.lease:
                write_private(path.with_suffix(_LEASES), json.dumps({**known, whose.writer: whose.lease}))
    except OSError as error:
        return f"{path} cannot be written ({error.strerror or error})"
    return None


def keep_folder(journal: Path) -> Path:
    """Set a whole journal aside that names no owner; return its new place."""
    place = place_of(journal, "").parent / f"journal-{journal.name}"
    place.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    return Path(shutil.move(journal, place))


def list_set_aside(folder: Path) -> Iterator[SetAside]:
    """Yield a summary for each run with set-aside entries in keepbest's folder."""
    for path in sorted((folder / FOLDER).glob("*.jsonl")):
        count, last = 0, b""
        for line in read_lines(path):
            count, last = count + 1, line
        if count:
            fields = read_entry(last)
            yield SetAside(path.stem, path, count, str(fields.get("what", "?")), str(fields.get("why", "?")))


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a run's file, or none if it cannot be read."""
    with suppress(OSError), path.open("rb") as file:
        yield from file


def read_entry(line: bytes) -> dict[str, Any]:
    """Return the fields of a line, or none if it cannot be read."""
    with suppress(ValueError, RecursionError):
        fields = json.loads(line)
        return fields if isinstance(fields, dict) else {}
    return {}


def read_leases(path: Path) -> dict[str, str]:
    """Return the lease of each writer with entries in a run's file."""
    with suppress(OSError, ValueError, RecursionError):
        fields = json.loads(path.with_suffix(_LEASES).read_bytes())
        return {str(writer): str(lease) for writer, lease in fields.items()} if isinstance(fields, dict) else {}
    return {}


def forget(path: Path, done: Collection[bytes]) -> int:
    """Remove lines from a run's file, to which another process may have added lines; return how many are left."""
    with _locked(path):
        left = [line for line in read_lines(path) if line not in done]
        if left:
            write_private(path, b"".join(left))
        else:
            path.unlink(missing_ok=True)
            path.with_suffix(_LEASES).unlink(missing_ok=True)
    return len(left)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock the files, after waiting for other processes."""
    lock = os.open(path.parent / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _append(path: Path, line: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, line)
        os.fsync(file)
    finally:
        os.close(file)
