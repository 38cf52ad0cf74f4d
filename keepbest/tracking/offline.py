"""Offline runs: one folder holds the request, the journals and the outcome of a run until `keepbest sync` sends them.

<folder>/request.json   the RunRequest       <folder>/outcome.json   the Release, once the run has ended
<folder>/sent.json      the run's id and lease at the tracker, once something was sent
<folder>/<writer>/      the journal of one process, with its files
<folder>/lock           held while a process sends or begins the run

A run may be sent while its script still writes: `sync` reads the whole frames of the journal, and never changes it.
Nothing arrives twice: the run is submitted with its own id and one idempotency key, and the tracker takes each batch
once.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from keepbest.client.file_routes import FileRoutes
from keepbest.contract.base import Answer
from keepbest.contract.batches import Batch
from keepbest.contract.runs import Run, RunPatch, RunRequest
from keepbest.contract.workers import Assignment, Claim, Lease, Release
from keepbest.errors import Busy, Conflict, InvalidInput, LeaseLost, NotFound
from keepbest.journal import wire
from keepbest.journal.delivery import send_all
from keepbest.journal.file_delivery import send_files
from keepbest.journal.frames import Spool, read_frames
from keepbest.journal.journal import BatchClient, Journal, JournalOwner
from keepbest.settings import Resume, write_private
from keepbest.tracking.history import RunHistory
from keepbest.tracking.lease import LeaseClient, renewed
from keepbest.tracking.wandb.run_summary import find_summary


class SubmitClient(BatchClient, LeaseClient, Protocol):
    """The part of `keepbest.client.client.Client` that sends a run."""

    @property
    def files(self) -> FileRoutes: ...

    def submit(self, request: RunRequest, *, key: str | None = None) -> Run: ...

    def claim(self, claim: Claim) -> Assignment | None: ...

    def release(self, run: str, lease: str, release: Release) -> Run: ...


@dataclass(frozen=True)
class Sent:
    """The result of one sending; a run that is not over will have more to send."""

    run: str
    is_over: bool


class _Sent(Answer):
    """The content of sent.json."""

    run: str
    lease: Lease


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Turn an OSError of the block into InvalidInput: an offline run needs a folder that it can write."""
    try:
        yield
    except OSError as error:
        raise InvalidInput(
            f"The offline run cannot be written to {folder}: {error.strerror or error}.",
            field="KEEPBEST_DIR",
            hint="Set KEEPBEST_DIR, or init(dir=…), to another folder; KEEPBEST_MODE=disabled keeps nothing.",
        ) from error


@contextmanager
def begun_offline(folder: Path, request: RunRequest, how: Resume) -> Iterator[RunHistory]:
    """Begin or continue an offline run in `folder`, and yield its history; create this process's journal in the block.

    Raises Conflict or NotFound if `how` forbids it, and Conflict while another process of the run lives.
    """
    is_there = (folder / "request.json").exists()
    if is_there and how == "never":
        hint = 'resume="allow" continues it.'
        raise Conflict(f"Run {request.id} exists already, in {folder}.", field="id", hint=hint)
    if not is_there and how == "must":
        hint = "To continue a run of the tracker, set KEEPBEST_MODE=online."
        raise NotFound(f"There is no offline run {request.id} to continue.", field="id", hint=hint)
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    with _locked(folder):
        journals = [path.parent for path in folder.glob("*/writer.json")]
        if any(_is_alive(journal) for journal in journals):
            raise Conflict(f"Another process of this machine trains run {request.id}.", field="id")
        if not is_there:
            write_private(folder / "request.json", request.model_dump_json())
        (folder / "outcome.json").unlink(missing_ok=True)
        past = _read_past(journals)
        yield past if not is_there or past.parameters is not None else replace(past, parameters=_read_first(folder))


def change_request(folder: Path, patch: RunPatch) -> None:
    """Change the name, tags or notes of a run that was not sent yet; raises Conflict if it was."""
    with _locked(folder):
        if (folder / "sent.json").exists():
            raise Conflict("The run was sent meanwhile.", hint="`keepbest rename`, `tag` and `note` change it there.")
        request = RunRequest.model_validate_json((folder / "request.json").read_bytes())
        changes = patch.model_dump(include={"name", "tags", "notes"}, exclude_none=True)
        write_private(folder / "request.json", request.model_copy(update=changes).model_dump_json())


def keep_outcome(folder: Path, release: Release) -> None:
    """Write down how the run ended."""
    write_private(folder / "outcome.json", release.model_dump_json())


def find_offline(parent: Path) -> list[Path]:
    """Return the folders of the unsent runs, oldest first."""
    return sorted((path.parent for path in parent.glob("*/request.json")), key=lambda folder: folder.stat().st_ctime)


def read_names(parent: Path) -> dict[str, str]:
    """Return the names of the unsent runs by id, without runs whose request cannot be read."""
    names: dict[str, str] = {}
    for folder in find_offline(parent):
        with suppress(OSError, ValueError):
            request = RunRequest.model_validate_json((folder / "request.json").read_bytes())
            if request.name:
                names[folder.name] = request.name
    return names


def send_offline(folder: Path, client: SubmitClient) -> Sent | None:
    """Send the records so far. If the run's process has ended, also release the run and remove the folder.

    May be called again after any failure, and by several processes at once, which take turns. A run whose process died
    without an outcome is released as failed. Returns None if another process has just sent the run.
    """
    try:
        with _locked(folder):
            return _send_locked(folder, client)
    except FileNotFoundError:
        return None


def _send_locked(folder: Path, client: SubmitClient) -> Sent:
    try:
        request = RunRequest.model_validate_json((folder / "request.json").read_bytes())
    except ValueError as error:
        raise InvalidInput(f"The folder {folder} holds no offline run: {error}.") from error
    run, lease = _claim(folder, request, client)
    paths = sorted(
        (path.parent for path in folder.glob("*/writer.json")), key=lambda path: (_first_segment(path), path)
    )
    journals = [_open(path) for path in paths]
    is_over = not any(journal.is_read_only for journal in journals)
    try:
        with renewed(client, run, lease):
            for journal in journals:
                journal.about = JournalOwner(run, journal.about.writer, lease.token)
                send_all(journal, client)
                send_files(journal.folder, journal.about, client)
            if is_over:
                with suppress(LeaseLost):  # an earlier sending released the run
                    client.release(run, lease.token, _outcome(folder))
    finally:
        for journal in journals:
            journal.close()
    if is_over:
        _remove(folder)
    return Sent(run, is_over)


def _first_segment(journal: Path) -> int:
    """Return the first segment of a journal, to sort by: a segment may branch off one of an earlier process."""
    return next((opened.number for batch in _read_batches([journal]) for opened in batch.segments), 0)


def _open(folder: Path) -> Journal:
    """Open the journal of a dead process; of a living process, only for reading."""
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
            hint = "Remove the file once that lease has ended, then run keepbest sync."
            raise InvalidInput(f"The file {sent} does not name the lease of the run.", hint=hint) from error
        return known.run, known.lease
    run = client.submit(request, key=f"offline-{folder.name}").id
    assignment = client.claim(Claim(run=run, is_offline=True))
    if assignment is None:
        raise Conflict(f"Another process holds the run {run} of this offline record.")
    write_private(sent, json.dumps(_Sent(run=run, lease=assignment.lease).model_dump(mode="json")))
    return run, assignment.lease


def _outcome(folder: Path) -> Release:
    try:
        return Release.model_validate_json((folder / "outcome.json").read_bytes())
    except FileNotFoundError:
        return Release(outcome="failed", stop_message="The process died without an outcome.")
    except ValueError:
        return Release(outcome="failed", stop_message="The record of how the run ended cannot be read.")


def _remove(folder: Path) -> None:
    for name in ("outcome.json", "sent.json", "request.json", "lock"):
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder, after waiting for other processes. Raises FileNotFoundError if the folder is gone."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _is_alive(journal: Path) -> bool:
    """Whether a process still writes this journal. The check changes nothing in a dead process's journal."""
    try:
        Spool(journal / "batches", max_bytes=0).close()
    except Busy:
        return True
    return False


def _read_first(folder: Path) -> dict[str, Any]:
    """Return the configuration in the request; an empty one if the request cannot be read, as sending reports."""
    with suppress(OSError, ValueError):
        return RunRequest.model_validate_json((folder / "request.json").read_bytes()).parameters
    return {}


def _read_past(journals: list[Path]) -> RunHistory:
    """Return the history in the journals of earlier processes."""
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
        max(
            (
                piece.offset + len(piece.text.encode())
                for batch in batches
                for piece in batch.logs
                if piece.stream != "keepbest"
            ),
            default=0,
        ),
        _find_parameters(batches),
        _find_summary(batches),
    )


def _find_summary(batches: Iterable[Batch]) -> dict[str, Any]:
    """Return what the newest batch with an environment that has a summary says of it."""
    told = [batch.progress for batch in batches if batch.progress and find_summary(batch.progress.environment)]
    newest = max(told, key=lambda progress: progress.at, default=None)
    return find_summary(newest.environment if newest is not None else None)


def _find_parameters(batches: Iterable[Batch]) -> dict[str, Any] | None:
    """Return the configuration that the newest batch with one declares; journals are not in the order of time."""
    told = [batch.progress for batch in batches if batch.progress and batch.progress.declared]
    newest = sorted(told, key=lambda progress: progress.at)
    known = [each.declared.parameters for each in newest if each.declared and each.declared.parameters is not None]
    return known[-1] if known else None


def _read_batches(journals: Iterable[Path]) -> Iterator[Batch]:
    """Yield the batches of journals, without points and without batches that cannot be read; sending reports those."""
    for journal in journals:
        with suppress(FileNotFoundError):
            for _, body in read_frames(journal / "batches"):
                with suppress(InvalidInput, ValidationError):
                    yield Batch.model_validate(wire.decode(body)[0])
