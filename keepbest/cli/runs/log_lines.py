"""Joins the pieces of a program's output into whole lines."""

from __future__ import annotations

from collections.abc import Iterable

from keepbest.cli.common.formatting import clean_log
from keepbest.contract.validations import LogPiece


class Output:
    """Holds back each stream's last line until it ends, because the next piece may overwrite it (a progress bar)."""

    def __init__(self) -> None:
        self._open: dict[str, str] = {}

    def add(self, pieces: Iterable[LogPiece]) -> str:
        """Return the lines that these pieces complete, fit for a terminal."""
        return "".join(self._complete(piece.stream, piece.text) for piece in pieces)

    def rest(self) -> str:
        """Return the last lines that have no end."""
        rest = [clean_log(text) for text in self._open.values()]
        self._open.clear()
        return "".join(f"{line}\n" for line in rest if line)

    def _complete(self, stream: str, text: str) -> str:
        lines, end, self._open[stream] = (self._open.get(stream, "") + text).rpartition("\n")
        return clean_log(lines) + end
