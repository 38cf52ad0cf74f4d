"""Sends set-aside entries once more: an upgraded tracker may take what an older one refused.

Each entry is tried once, under a writer that is named after it, so the tracker takes it only once. Entries that the
tracker takes leave the file; the others stay.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pydantic_core import to_json

from keepbest.errors import Busy, KeepbestError, NotAllowed, NotAuthenticated, Unreachable
from keepbest.journal import set_aside, upgrade
from keepbest.journal.journal import BatchClient
from keepbest.journal.set_aside import SetAside
from keepbest.journal.split import piece_writer

#: Errors that concern the sender or the moment, so the other entries would meet them too.
_NOT_OF_CONTENT = (Unreachable, Busy, NotAuthenticated, NotAllowed)


@dataclass(frozen=True, slots=True)
class Retry:
    """The result for one run's file: entries that the tracker took, entries that are left, the last refusal."""

    taken: int
    left: int
    problem: str | None


def send_again(file: SetAside, client: BatchClient) -> Retry:
    """Send each entry of a run's file once more. Raises the client's error if nothing can be sent now."""
    leases, taken, problem = set_aside.read_leases(file.path), set[bytes](), None
    try:
        for line in tuple(set_aside.read_lines(file.path)):
            if (refusal := _send(file.run, line, leases, client)) is None:
                taken.add(line)
            problem = refusal or problem
    finally:
        left = set_aside.forget(file.path, taken)
    return Retry(len(taken), left, problem)


def _send(run: str, line: bytes, leases: dict[str, str], client: BatchClient) -> str | None:
    """Send an entry; return why the tracker refuses it, or None."""
    fields = set_aside.read_entry(line)
    batch, writer = fields.get("batch"), str(fields.get("writer"))
    if not isinstance(batch, dict):
        return "it cannot be read"
    if writer not in leases:
        return "its lease is not known"
    place = hashlib.sha256(line).hexdigest()
    sender = piece_writer(writer, int(fields.get("number") or 0), place)
    piece = {**upgrade.to_present(batch), "writer": sender, "number": 1}
    try:
        client.post_batch(run, to_json(piece), "application/json", leases[writer])
    except _NOT_OF_CONTENT:
        raise
    except KeepbestError as error:
        return error.message
    return None
