"""Follows one run to its end, from the stream or by polling."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from keepbest.client.client import Client
from keepbest.contract.runs import Run
from keepbest.contract.validations import LogPiece, RecordedValidation
from keepbest.errors import Busy, Unreachable

PAGE = 1000


@dataclass(frozen=True, slots=True)
class News:
    """The run as it is now, with its validations and logs since the last news."""

    run: Run
    validations: list[RecordedValidation]
    logs: list[LogPiece]


@dataclass
class RunFollower:
    """Reads a run and its new history whenever an event of the run comes."""

    client: Client
    run: str
    with_validations: bool = False
    with_logs: bool = False
    seen_validation: int = 0
    seen_log: int = 0

    def news(self) -> Iterator[News]:
        """Yield news at once, then at each event and now and then, and last when the run has ended."""
        start = self.client.events(run=self.run).next  # first, so that no event is missed before the run is read
        latest = self.read()
        yield latest
        if latest.run.state.is_final:
            return
        for _ in self.client.follow(after=start, run=self.run):
            with suppress(Unreachable, Busy):  # `follow` itself waits for the tracker, and at last raises
                latest = self.read()
                yield latest
                if latest.run.state.is_final:
                    yield self.read()  # history may have been written after the run was read
                    return

    def read(self) -> News:
        """Return the run and its new history."""
        run = self.client.run(self.run)
        return News(
            run, self._new_validations() if self.with_validations else [], self._new_logs() if self.with_logs else []
        )

    def _new_validations(self) -> list[RecordedValidation]:
        validations: list[RecordedValidation] = []
        after = self.seen_validation
        while page := self.client.validations(self.run, after=after, limit=PAGE).validations:
            validations.extend(page)
            after = page[-1].seq
        self.seen_validation = after  # only now, so that the next call repeats what a failed request lost
        return validations

    def _new_logs(self) -> list[LogPiece]:
        log_pieces: list[LogPiece] = []
        after = self.seen_log
        while page := self.client.logs(self.run, after=after, limit=PAGE).pieces:
            log_pieces.extend(page)
            after = page[-1].seq
        self.seen_log = after
        return log_pieces
