"""A file of numbered frames that a dying process cannot spoil: length u32, CRC-32 u32, number u64, body.

Little-endian. A frame that is cut short or whose checksum differs ends the file; it and what follows is cut off.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from keepbest.errors import Busy

_FRAME = struct.Struct("<IIQ")


class Spool:
    """The open file; a lock keeps other processes out until this one closes it or dies.

    `read_only` reads what another process writes, as far as it is whole, and changes nothing.
    """

    def __init__(self, path: Path, *, max_bytes: int, read_only: bool = False) -> None:
        self.path = path
        self.end = 0
        self._max_bytes = 0 if read_only else max_bytes
        self._read_only = read_only
        if read_only:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            return
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise Busy(f"{path} belongs to a living process.") from error

    def read_all(self) -> Iterator[tuple[int, int, int]]:
        """Yield number, offset and length of every whole frame, then cut off what comes after the last."""
        size = os.fstat(self._file).st_size
        while (frame := self._read_frame(self.end, size)) is not None:
            number, length = frame
            yield number, self.end + _FRAME.size, length
            self.end += _FRAME.size + length
        self.cut(self.end)

    def write(self, number: int, body: bytes) -> int:
        """Append a frame and return the offset of its body; where it cannot: OSError, and no half frame stays."""
        if self.end + _FRAME.size + len(body) > self._max_bytes:
            raise OSError(errno.ENOSPC, f"it has reached its limit of {self._max_bytes} bytes")
        offset = self.end + _FRAME.size
        try:
            self._write_fully(_FRAME.pack(len(body), _checksum(number, body), number) + body)
        except OSError:
            self.cut(self.end)
            raise
        self.end = offset + len(body)
        return offset

    def read(self, offset: int, length: int) -> bytes:
        """Return what can be read there: less than `length` where the disk fails."""
        read = b""
        with suppress(OSError):
            while len(read) < length:
                piece = os.pread(self._file, length - len(read), offset + len(read))
                if not piece:
                    break
                read += piece
        return read

    def cut(self, size: int) -> None:
        """Forget everything from `size` on."""
        if self._read_only:
            return
        with suppress(OSError):
            os.ftruncate(self._file, size)
            self.end = size

    def sync(self) -> None:
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)

    def _read_frame(self, offset: int, size: int) -> tuple[int, int] | None:
        head = self.read(offset, _FRAME.size)
        if len(head) < _FRAME.size:
            return None
        length, checksum, number = _FRAME.unpack(head)
        if offset + _FRAME.size + length > size:
            return None
        body = self.read(offset + _FRAME.size, length)
        return (number, length) if _checksum(number, body) == checksum else None

    def _write_fully(self, data: bytes) -> None:
        written = 0
        while written < len(data):
            written += os.pwrite(self._file, memoryview(data)[written:], self.end + written)


def read_frames(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield number and body of every whole frame of a file that another process may write at this moment."""
    spool = Spool(path, max_bytes=0, read_only=True)
    try:
        for number, offset, length in spool.read_all():
            yield number, spool.read(offset, length)
    finally:
        spool.close()


def _checksum(number: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(number.to_bytes(8, "little")))
