"""A program's output for the record: whole lines in bounded pieces, and only the last state of a progress bar."""

from __future__ import annotations

#: The largest piece of output in a batch. The contract limits characters, of at least one byte each.
PIECE_BYTES = 64 * 1024
#: The largest output of one process that is sent.
MAX_OUTPUT_BYTES = 64 * 2**20


class Lines:
    """Joins pieces of at most PIECE_BYTES into lines; much longer lines are cut."""

    def __init__(self) -> None:
        self._open = b""

    def add(self, piece: bytes) -> list[str]:
        """Add a piece; return the lines that it completes, in texts of at most twice PIECE_BYTES."""
        *whole, rest = (self._open + piece).split(b"\n")
        text = rest.rstrip(b"\r")
        # The next piece decides whether carriage returns at the end restart the line or belong to its end.
        self._open = text.rpartition(b"\r")[2] + (b"\r" if text != rest else b"")
        lines = [_settle(line) + b"\n" for line in whole]
        if len(self._open) >= PIECE_BYTES:
            cut = len(self._open) - _half_character(self._open)
            lines.append(self._open[:cut])
            self._open = self._open[cut:]
        return _group(lines)

    def rest(self) -> list[str]:
        """Return the last line if it has no end."""
        line, self._open = _settle(self._open), b""
        return _group([line]) if line else []


def _settle(line: bytes) -> bytes:
    """Return a line as a terminal would leave it."""
    return line.rstrip(b"\r").rpartition(b"\r")[2]


def _group(lines: list[bytes]) -> list[str]:
    """Return lines as texts of many lines each."""
    pieces, piece = list[bytes](), b""
    for line in lines:
        if piece and len(piece) + len(line) > PIECE_BYTES:
            pieces.append(piece)
            piece = b""
        piece += line
    texts = (item.decode(errors="replace") for item in (*pieces, piece) if item)
    return [text.replace("\0", "\N{REPLACEMENT CHARACTER}") for text in texts]


def _half_character(piece: bytes) -> int:
    """Return the number of bytes at the end that begin a UTF-8 character of the next piece."""
    for back in range(1, 4):
        if piece[-back] >= 0xC0:
            return back
        if piece[-back] < 0x80:
            break
    return 0
