"""Runs that no tracker knows yet: what was asked, the journal and how it ended, in one folder, until they are sent.

<folder>/request.json   the RunRequest       <folder>/outcome.json   the Release, once the run has ended
<folder>/sent.json      the run's id and lease at the tracker, while sending
<folder>/<writer>/      its journals
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from keepbest.contract.runs import Run, RunRequest
from keepbest.contract.workers import Assignment, Claim, Lease, Release
from keepbest.errors import Conflict, InvalidInput, LeaseLost
from keepbest.reporting.journal import About, Journal, Sender, send_first
from keepbest.runs.renewal import Landlord, renewed
from keepbest.settings import write_private


class Submitter(Sender, Landlord, Protocol):
    """As much of `keepbest.client.Client` as sending a run needs."""

    def submit(self, request: RunRequest) -> Run: ...

    def claim(self, claim: Claim) -> Assignment | None: ...

    def release(self, run: str, lease: str, release: Release) -> Run: ...


def keep_request(folder: Path, request: RunRequest) -> None:
    """Begin the folder of an offline run."""
    folder.mkdir(parents=True, mode=0o700)
    write_private(folder / "request.json", request.model_dump_json())


def keep_outcome(folder: Path, release: Release) -> None:
    """Write down how the run ended."""
    write_private(folder / "outcome.json", release.model_dump_json())


def find_offline(parent: Path) -> list[Path]:
    """Return the folders of the runs that wait to be sent, oldest first."""
    return sorted((path.parent for path in parent.glob("*/request.json")), key=lambda folder: folder.stat().st_ctime)


def send_offline(folder: Path, client: Submitter) -> str:
    """Make the run at the tracker, send everything it said, close it, remove the folder; return the run's id.

    May be called again after any failure: nothing is sent twice. A run whose process died without an outcome is
    handed in as failed. Raises Busy while the run still lives.
    """
    try:
        request = RunRequest.model_validate_json((folder / "request.json").read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{folder} holds no offline run: {error}") from error
    journals = [Journal.open(path.parent) for path in sorted(folder.glob("*/writer.json"))]
    try:
        run, lease = _claim(folder, request, client)
        with renewed(client, run, lease):
            _send(journals, client, run, lease.token)
            with suppress(LeaseLost):  # an earlier attempt ended it, or took longer than a lease
                client.release(run, lease.token, _outcome(folder))
    finally:
        for journal in journals:
            journal.close()
    _remove(folder)
    return run


def _claim(folder: Path, request: RunRequest, client: Submitter) -> tuple[str, Lease]:
    sent = folder / "sent.json"
    if sent.exists():
        known = json.loads(sent.read_text(encoding="utf-8"))
        return known["run"], Lease.model_validate(known["lease"])
    run = client.submit(request).id
    assignment = client.claim(Claim(run=run))
    if assignment is None:
        raise Conflict(f"Run {run} was made for this record, but somebody else holds it.")
    write_private(sent, json.dumps({"run": run, "lease": assignment.lease.model_dump(mode="json")}))
    return run, assignment.lease


def _send(journals: list[Journal], client: Submitter, run: str, token: str) -> None:
    for journal in journals:
        journal.about = About(run, journal.about.writer, token)
        while len(journal):
            send_first(journal, client)


def _outcome(folder: Path) -> Release:
    try:
        return Release.model_validate_json((folder / "outcome.json").read_bytes())
    except FileNotFoundError:
        return Release(outcome="failed", stop_message="The process died without a word.")


def _remove(folder: Path) -> None:
    for name in ("outcome.json", "sent.json", "request.json"):
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()
