"""Sends the trainer's output to the tracker as it grows. The file is complete; the journal carries pieces of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from keepbest.client.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.batches import Batch, CommandUpdate, LogLines, Progress
from keepbest.contract.provenance import Provenance
from keepbest.errors import KeepbestError
from keepbest.journal.delivery import send_first
from keepbest.journal.journal import Journal, JournalOwner
from keepbest.journal.output import MAX_OUTPUT_BYTES, PIECE_BYTES
from keepbest.journal.wire import encode
from worker.run_folder import RunFolder, TrainerJob


class OutputTail:
    """Reads the new part of `output.log`, and sends it to the tracker."""

    def __init__(self, folder: RunFolder, job: TrainerJob, client: Client, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._client = client
        self._now = now
        about = JournalOwner(job.run_id, new_id(), job.assignment.lease.token)
        self._journal = Journal.create(folder.journal, about)
        self._offset = 0
        self._rest = b""

    def collect(self, *, final: bool = False) -> None:
        """Put the new output of the trainer into the journal; `final` also takes an unfinished line."""
        while lines := self._read_piece(final):
            text = lines.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
            self._keep(logs=[LogLines(stream="stdout", offset=self._offset, text=text, at=self._now())])
            self._offset += len(lines)

    def begin(self, environment: dict[str, Any], provenance: Provenance) -> None:
        """Report that a command is about to run: its script may never report anything."""
        self._keep(progress=Progress(environment=environment, provenance=provenance, at=self._now()))

    def say(self, text: str) -> None:
        """Add a line of the agent's own."""
        self._keep(logs=[LogLines(stream="keepbest", offset=self._offset, text=f"{text}\n", at=self._now())])

    def report_stall(self, text: str) -> None:
        """Report that the training gives no sign of life, also in the run's log."""
        self.say(text)
        self._keep(progress=Progress(stalled=True, at=self._now()))

    def answer(self, *updates: CommandUpdate) -> None:
        """Report the result of a command that the agent obeys itself."""
        self._keep(commands=list(updates))

    def send(self) -> None:
        """Send the waiting records. Raises the client's errors."""
        while len(self._journal):
            send_first(self._journal, self._client)

    def close(self) -> None:
        """Close the journal, so that `worker.agent.flush` can send the rest."""
        self._journal.close()

    def _keep(self, **records: Any) -> None:
        number = self._journal.last_number + 1
        batch = Batch(writer=self._journal.about.writer, number=number, **records)
        self._journal.append(number, encode(batch, ()))

    def _read_piece(self, final: bool) -> bytes:
        """Return whole lines, at most PIECE_BYTES; a longer line comes in pieces."""
        if self._offset >= MAX_OUTPUT_BYTES:
            return b""
        try:
            with self._folder.output.open("rb") as file:
                file.seek(self._offset)
                piece = file.read(PIECE_BYTES)
        except FileNotFoundError:
            return b""
        lines = piece[: piece.rfind(b"\n") + 1]
        if lines or not (final or len(piece) == PIECE_BYTES):
            return lines
        return piece if len(piece) < PIECE_BYTES else _without_half_character(piece)


def _without_half_character(piece: bytes) -> bytes:
    """Return a piece without the beginning of a UTF-8 character whose end lies in the next piece."""
    for back in range(1, 4):
        if piece[-back] >= 0xC0:
            return piece[:-back]
        if piece[-back] < 0x80:
            break
    return piece


def try_send(tail: OutputTail) -> None:
    """Send the waiting records; after an error they wait on."""
    try:
        tail.send()
    except KeepbestError:
        return
