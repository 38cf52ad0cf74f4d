"""A program's output as the record has it: whole lines, of a progress bar its last state, in bounded pieces."""

from __future__ import annotations

#: One piece of output in a batch; the contract's limit is in characters, and each has at least one byte.
PIECE_BYTES = 64 * 1024
#: More than this of one process's output is not sent.
MAX_OUTPUT_BYTES = 64 * 2**20


class Lines:
    """Puts bytes that came in any pieces, of at most PIECE_BYTES, together into lines; much longer lines are cut."""

    def __init__(self) -> None:
        self._open = b""

    def add(self, piece: bytes) -> list[str]:
        """Return the lines that are complete now, in texts of at most twice PIECE_BYTES."""
        *whole, rest = (self._open + piece).split(b"\n")
        text = rest.rstrip(b"\r")
        # What follows decides whether carriage returns at the end begin the line anew or belong to its end.
        self._open = text.rpartition(b"\r")[2] + (b"\r" if text != rest else b"")
        lines = [_settle(line) + b"\n" for line in whole]
        if len(self._open) >= PIECE_BYTES:
            cut = len(self._open) - _half_character(self._open)
            lines.append(self._open[:cut])
            self._open = self._open[cut:]
        return _group(lines)

    def rest(self) -> list[str]:
        """Return the line that nobody ended."""
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
    return [_decode(item) for item in (*pieces, piece) if item]


def _decode(piece: bytes) -> str:
    return piece.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _half_character(piece: bytes) -> int:
    """Return how many bytes at the end begin a UTF-8 character that ends in the next piece."""
    for back in range(1, 4):
        if piece[-back] >= 0xC0:
            return back
        if piece[-back] < 0x80:
            break
    return 0
