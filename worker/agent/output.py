"""The trainer's output, sent to the tracker as it grows. The file is the truth; the journal carries pieces of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from keepbest.client.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.batches import Batch, CommandUpdate, LogLines, Progress
from keepbest.errors import KeepbestError
from keepbest.journal.delivery import send_first
from keepbest.journal.journal import Journal, JournalOwner
from keepbest.journal.output import MAX_OUTPUT_BYTES, PIECE_BYTES
from keepbest.journal.wire import encode
from worker.run_folder import RunFolder, TrainerJob


class OutputTail:
    """Reads `output.log` from where it was last read, and says to the tracker what is new."""

    def __init__(self, folder: RunFolder, job: TrainerJob, client: Client, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._client = client
        self._now = now
        about = JournalOwner(job.run_id, new_id(), job.assignment.lease.token)
        self._journal = Journal.create(folder.journal, about)
        self._offset = 0
        self._rest = b""

    def collect(self, *, final: bool = False) -> None:
        """Put what the trainer has printed since into the journal; `final` takes an unfinished line too."""
        while lines := self._read_piece(final):
            text = lines.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
            self._keep(logs=[LogLines(stream="stdout", offset=self._offset, text=text, at=self._now())])
            self._offset += len(lines)

    def begin(self, environment: dict[str, Any]) -> None:
        """Say that a command is about to run: it may never speak for itself."""
        self._keep(progress=Progress(environment=environment, at=self._now()))

    def say(self, text: str) -> None:
        """Add a line of our own."""
        self._keep(logs=[LogLines(stream="keepbest", offset=self._offset, text=f"{text}\n", at=self._now())])

    def tell_stalled(self, text: str) -> None:
        """Say that the training gives no sign of life, in the run's log too."""
        self.say(text)
        self._keep(progress=Progress(stalled=True, at=self._now()))

    def answer(self, *updates: CommandUpdate) -> None:
        """Tell what became of a command that the agent obeys itself."""
        self._keep(commands=list(updates))

    def send(self) -> None:
        """Send what waits; raises what the client raises."""
        while len(self._journal):
            send_first(self._journal, self._client)

    def close(self) -> None:
        """Leave the journal to whoever delivers it."""
        self._journal.close()

    def _keep(self, **records: Any) -> None:
        number = self._journal.last_number + 1
        batch = Batch(writer=self._journal.about.writer, number=number, **records)
        self._journal.append(number, encode(batch, ()))

    def _read_piece(self, final: bool) -> bytes:
        """Return whole lines, at most PIECE_BYTES of them; a line longer than that comes in pieces."""
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
    """Leave out the beginning of a UTF-8 character whose end lies in the next piece."""
    for back in range(1, 4):
        if piece[-back] >= 0xC0:
            return piece[:-back]
        if piece[-back] < 0x80:
            break
    return piece


def try_send(tail: OutputTail) -> None:
    """Send what waits; what cannot be sent now waits on."""
    try:
        tail.send()
    except KeepbestError:
        return
