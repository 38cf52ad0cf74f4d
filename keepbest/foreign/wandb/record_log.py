"""A `.wandb` file: records in LevelDB's log format, read one after the other, up to where the file is cut or damaged.

The file is blocks of 32 KiB, the first with W&B's own seven bytes ahead. A record is one piece, or pieces that each end
at a block's end: checksum u32, length u16, type u8, bytes. The checksum is zlib's, of type and bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

BLOCK_BYTES = 2**15
#: W&B's own: a name, a number, a version that is 0 to this day.
HEADER = b":W&B\xe1\xbe\x00"
#: A longer record is passed over: it would have to lie in memory as a whole.
MAX_RECORD_BYTES = 2**24
_HEAD = struct.Struct("<IHB")
_CUT = "{}: ends in the middle of a record, which is left out."
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


class RecordLog:
    """Reads the records of a file. `faults` says in words what could not be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: list[str] = []

    def read(self) -> Iterator[bytes]:
        """Yield each whole record; raises OSError where the file cannot be read."""
        self.faults.clear()
        parts, size, is_open = list[bytes](), 0, False
        with self.path.open("rb") as file:
            for kind, piece in self._read_pieces(file):
                if kind in (_FULL, _FIRST):
                    parts, size = [], 0
                elif not is_open:
                    self.faults.append(f"{self.path}: a record without its beginning; what lies behind is left out.")
                    return
                size += len(piece)
                parts = [*parts, piece] if size <= MAX_RECORD_BYTES else []
                is_open = kind in (_FIRST, _MIDDLE)
                if is_open:
                    continue
                if size <= MAX_RECORD_BYTES:
                    yield b"".join(parts)
                else:
                    self.faults.append(f"{self.path}: a record of {size:,} bytes, over {MAX_RECORD_BYTES:,}.")
        if is_open and not self.faults:
            self.faults.append(_CUT.format(self.path))

    def _read_pieces(self, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
        """Yield type and bytes of each piece whose checksum is right."""
        if file.read(len(HEADER)) != HEADER:
            self.faults.append(f"{self.path}: is no file of W&B, or of a version that is not known.")
            return
        place, block = len(HEADER), file.read(BLOCK_BYTES - len(HEADER))
        while block:
            at = 0
            while at + _HEAD.size <= len(block):
                checksum, length, kind = _HEAD.unpack_from(block, at)
                piece = block[at + _HEAD.size : at + _HEAD.size + length]
                if checksum == length == kind == 0:
                    break  # the rest of a block is filled with zeros where no head has room
                if len(piece) < length and len(block) == BLOCK_BYTES - place % BLOCK_BYTES:
                    self._end(place + at)
                    return
                if len(piece) < length:
                    self.faults.append(_CUT.format(self.path))
                    return
                if not _FULL <= kind <= _LAST or zlib.crc32(piece, zlib.crc32(bytes([kind]))) != checksum:
                    self._end(place + at)
                    return
                yield kind, piece
                at += _HEAD.size + length
            place += len(block)
            block = file.read(BLOCK_BYTES)

    def _end(self, place: int) -> None:
        self.faults.append(f"{self.path}: damaged at byte {place:,}; what lies behind is left out.")


def write_log(records: list[bytes]) -> bytes:
    """Return the bytes of a file with these records.

    Example:
        >>> write_log([b"one"]).hex()
        '3a572642e1be0031f9d9150300016f6e65'
    """
    written = bytearray(HEADER)
    for record in records:
        rest, is_first = record, True
        while True:
            room = BLOCK_BYTES - len(written) % BLOCK_BYTES
            if room < _HEAD.size:
                written += bytes(room)
                room = BLOCK_BYTES
            piece, rest = rest[: room - _HEAD.size], rest[room - _HEAD.size :]
            kind = (_FIRST if rest else _FULL) if is_first else (_MIDDLE if rest else _LAST)
            written += _HEAD.pack(zlib.crc32(piece, zlib.crc32(bytes([kind]))), len(piece), kind) + piece
            is_first = False
            if not rest:
                break
    return bytes(written)
