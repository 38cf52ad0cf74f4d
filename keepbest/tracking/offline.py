"""Runs that no tracker knows yet: what was asked, the journals and how it ended, in one folder, until they are sent.

<folder>/request.json   the RunRequest       <folder>/outcome.json   the Release, once the run has ended
<folder>/sent.json      the run's id and lease at the tracker, since something was sent
<folder>/<writer>/      its journals, one a process      <folder>/lock    held by whoever sends it or begins a process

A run may be sent while its script still writes: its journal is read as far as it is whole, and never changed. Nothing
arrives twice: the run is made under its own id and one idempotency key, and the tracker takes each batch once.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from keepbest.contract.base import Answer
from keepbest.contract.batches import Batch
from keepbest.contract.runs import Run, RunRequest
from keepbest.contract.workers import Assignment, Claim, Lease, Release
from keepbest.errors import Busy, Conflict, InvalidInput, LeaseLost, NotFound
from keepbest.journal import wire
from keepbest.journal.delivery import send_all
from keepbest.journal.frames import Spool, read_frames
from keepbest.journal.journal import BatchClient, Journal, JournalOwner
from keepbest.settings import Resume, write_private
from keepbest.tracking.history import RunHistory
from keepbest.tracking.lease import LeaseClient, renewed


class SubmitClient(BatchClient, LeaseClient, Protocol):
    """As much of `keepbest.client.client.Client` as sending a run needs."""

    def submit(self, request: RunRequest, *, key: str | None = None) -> Run: ...

    def claim(self, claim: Claim) -> Assignment | None: ...

    def release(self, run: str, lease: str, release: Release) -> Run: ...


@dataclass(frozen=True)
class Sent:
    """What one sending came to; a run that is not over has more to say."""

    run: str
    is_over: bool


class _Sent(Answer):
    """What sent.json holds."""

    run: str
    lease: Lease


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Say in words that keepbest's folder cannot be written: an offline run has no other place."""
    try:
        yield
    except OSError as error:
        raise InvalidInput(
            f"A run is kept offline in {folder}, which cannot be written: {error.strerror or error}.",
            field="KEEPBEST_DIR",
            hint="Set KEEPBEST_DIR, or init(dir=…), to a folder that can; KEEPBEST_MODE=disabled keeps nothing.",
        ) from error


@contextmanager
def begun_offline(folder: Path, request: RunRequest, how: Resume) -> Iterator[RunHistory]:
    """Begin the folder of an offline run, or go on with what is in it; make the new process's journal in the block.

    Raises Conflict and NotFound as `resume` says, and Conflict while another process of the run lives.
    """
    is_there = (folder / "request.json").exists()
    if is_there and how == "never":
        raise Conflict(f"There is a run {request.id} already, in {folder}.", field="id", hint='resume="allow" goes on.')
    if not is_there and how == "must":
        hint = "A run of the tracker goes on when the tracker answers: KEEPBEST_MODE=online."
        raise NotFound(f"There is no offline run {request.id} to go on with.", field="id", hint=hint)
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    with _locked(folder):
        journals = [path.parent for path in folder.glob("*/writer.json")]
        if any(_is_alive(journal) for journal in journals):
            raise Conflict(f"Run {request.id} is trained by another process of this machine.", field="id")
        if not is_there:
            write_private(folder / "request.json", request.model_dump_json())
        (folder / "outcome.json").unlink(missing_ok=True)
        yield _read_past(journals)


def keep_outcome(folder: Path, release: Release) -> None:
    """Write down how the run ended."""
    write_private(folder / "outcome.json", release.model_dump_json())


def find_offline(parent: Path) -> list[Path]:
    """Return the folders of the runs that wait to be sent, oldest first."""
    return sorted((path.parent for path in parent.glob("*/request.json")), key=lambda folder: folder.stat().st_ctime)


def read_names(parent: Path) -> dict[str, str]:
    """Return the names of the runs that wait to be sent, by id; a record that cannot be read names nothing."""
    names: dict[str, str] = {}
    for folder in find_offline(parent):
        with suppress(OSError, ValueError):
            request = RunRequest.model_validate_json((folder / "request.json").read_bytes())
            if request.name:
                names[folder.name] = request.name
    return names


def send_offline(folder: Path, client: SubmitClient) -> Sent | None:
    """Send what the run said so far; once its process has ended, close it and remove the folder. None: it is gone.

    May be called again after any failure, and by several processes at once: they take turns. A run whose process died
    without an outcome is handed in as failed.
    """
    try:
        with _locked(folder):
            return _send_locked(folder, client)
    except FileNotFoundError:
        return None  # somebody else has just sent all of it


def _send_locked(folder: Path, client: SubmitClient) -> Sent:
    try:
        request = RunRequest.model_validate_json((folder / "request.json").read_bytes())
    except ValueError as error:
        raise InvalidInput(f"{folder} holds no offline run: {error}") from error
    run, lease = _claim(folder, request, client)
    paths = sorted(
        (path.parent for path in folder.glob("*/writer.json")), key=lambda path: (_first_segment(path), path)
    )
    journals = [_open(path) for path in paths]
    is_over = not any(journal.is_read_only for journal in journals)
    try:
        with renewed(client, run, lease):
            _send(journals, client, run, lease.token)
            if is_over:
                with suppress(LeaseLost):  # an earlier attempt ended it
                    client.release(run, lease.token, _outcome(folder))
    finally:
        for journal in journals:
            journal.close()
    if is_over:
        _remove(folder)
    return Sent(run, is_over)


def _first_segment(journal: Path) -> int:
    """Return the first segment that a process opened: a later one's may branch off it, and is to be sent after it."""
    return next((opened.number for batch in _read_batches([journal]) for opened in batch.segments), 0)


def _open(folder: Path) -> Journal:
    """Open a dead process's journal, or read a living one's."""
    run = folder.parent.name
    try:
        return Journal.open(folder, run=run)
    except Busy:
        return Journal.open(folder, run=run, read_only=True)


def _claim(folder: Path, request: RunRequest, client: SubmitClient) -> tuple[str, Lease]:
    sent = folder / "sent.json"
    if sent.exists():
        try:
            known = _Sent.model_validate_json(sent.read_bytes())
        except ValueError as error:
            hint = "Remove the file once that lease has ended: the run is then claimed anew."
            raise InvalidInput(f"{sent} does not say under which lease the run was sent.", hint=hint) from error
        return known.run, known.lease
    run = client.submit(request, key=f"offline-{folder.name}").id
    assignment = client.claim(Claim(run=run, is_offline=True))
    if assignment is None:
        raise Conflict(f"Run {run} was made for this record, but somebody else holds it.")
    write_private(sent, json.dumps(_Sent(run=run, lease=assignment.lease).model_dump(mode="json")))
    return run, assignment.lease


def _send(journals: list[Journal], client: SubmitClient, run: str, token: str) -> None:
    for journal in journals:
        journal.about = JournalOwner(run, journal.about.writer, token)
        send_all(journal, client)


def _outcome(folder: Path) -> Release:
    try:
        return Release.model_validate_json((folder / "outcome.json").read_bytes())
    except FileNotFoundError:
        return Release(outcome="failed", stop_message="The process died without a word.")
    except ValueError:
        return Release(outcome="failed", stop_message="How the run ended cannot be read any more.")


def _remove(folder: Path) -> None:
    for name in ("outcome.json", "sent.json", "request.json", "lock"):
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Be the only one at this folder; waits for others. Raises FileNotFoundError where the folder is gone."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _is_alive(journal: Path) -> bool:
    """Whether a process still writes there. What a dead one left stays as it is, also where all of it was sent."""
    try:
        Spool(journal / "batches", max_bytes=0).close()
    except Busy:
        return True
    return False


def _read_past(journals: list[Path]) -> RunHistory:
    """Return what earlier processes wrote down."""
    batches = list(_read_batches(journals))
    return RunHistory(
        sorted(
            (segment_opened for batch in batches for segment_opened in batch.segments),
            key=lambda segment_info: segment_info.number,
        ),
        sorted(
            (validation for batch in batches for validation in batch.validations),
            key=lambda validation: (validation.segment, validation.step),
        ),
        [withdrawn for batch in batches for withdrawn in batch.withdrawn],
        max((piece.offset + len(piece.text.encode()) for batch in batches for piece in batch.logs), default=0),
    )


def _read_batches(journals: Iterable[Path]) -> Iterator[Batch]:
    """Yield what journals hold, without points; what cannot be read is left out, as sending will say."""
    for journal in journals:
        with suppress(FileNotFoundError):
            for _, body in read_frames(journal / "batches"):
                with suppress(InvalidInput, ValidationError):
                    yield Batch.model_validate(wire.decode(body)[0])
