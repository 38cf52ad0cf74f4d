"""A file of numbered frames that survives the death of its process: length u32, CRC-32 u32, number u64, body.

Little-endian. An incomplete last frame is cut off; damage before whole frames is skipped and listed in `damaged`.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from keepbest.errors import Busy

_FRAME = struct.Struct("<IIQ")
#: How every body begins, behind the four bytes of its header's length. The search for the next whole frame uses it.
_MARK = b'{"writer":'
_MARK_OFFSET = _FRAME.size + 4


class Spool:
    """The open file, locked against other processes until this process closes it or dies.

    With `read_only` the spool reads the whole frames of a file that another process may write, and changes nothing.
    """

    def __init__(self, path: Path, *, max_bytes: int, read_only: bool = False) -> None:
        self.path = path
        self.end = 0
        #: Offset and length of each damaged place.
        self.damaged: list[tuple[int, int]] = []
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
            raise Busy(f"The file {path} belongs to a living process.") from error

    def read_all(self) -> Iterator[tuple[int, int, int]]:
        """Yield number, offset and length of every whole frame, then cut off the bytes after the last.

        Numbers only grow, so an older frame behind a damaged place belongs to the damage.
        """
        size, last = os.fstat(self._file).st_size, -1
        while (start := self._find_frame(size, last)) is not None:
            if start > self.end:
                self.damaged.append((self.end, start - self.end))
            last, length = self._read_frame(start, size) or (last, 0)
            yield last, start + _FRAME.size, length
            self.end = start + _FRAME.size + length
        self.cut(self.end)

    def write(self, number: int, body: bytes) -> int:
        """Append a frame and return the offset of its body. Raises OSError if it cannot, and leaves no half frame."""
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
        """Return the bytes at `offset`, fewer than `length` if the disk fails."""
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

    def _find_frame(self, size: int, last: int) -> int | None:
        """Return the offset of the next whole frame: `end`, unless there is damage."""
        frame = self._read_frame(self.end, size)
        if frame is not None and frame[0] > last:
            return self.end
        if size - self.end <= _FRAME.size:
            return None
        with mmap.mmap(self._file, size, access=mmap.ACCESS_READ) as whole:
            at = whole.find(_MARK, self.end + _MARK_OFFSET)
            while at >= 0:
                frame = self._read_frame(at - _MARK_OFFSET, size)
                if frame is not None and frame[0] > last:
                    return at - _MARK_OFFSET
                at = whole.find(_MARK, at + 1)
        return None

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
