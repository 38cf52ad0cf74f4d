"""A TFRecord file that may still grow: whole records whose checksums are right, a block at a time.

A record is its length u64, the checksum of the length u32, its bytes, their checksum u32, little-endian; a checksum is
a masked CRC-32C. TensorBoard writes event files this way.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from keepbest.foreign.tensorboard.crc32c import mask_sums

#: What is read of a file at once: small enough that a block and the work on it fit into the caches of a processor.
BLOCK_BYTES = 2**19
#: A longer record is passed over: no scalar is that long, and it would have to lie in memory as a whole.
MAX_RECORD_BYTES = 2**24
_HEAD = struct.Struct("<QI")
_FRAME = 16
_HEAD_LENGTH = 8


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some records in the order of the file: record k is `data[starts[k] : starts[k] + lengths[k]]`."""

    data: bytes
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)

    def record(self, place: int) -> bytes:
        """Return the bytes of one record."""
        start = int(self.starts[place])
        return self.data[start : start + int(self.lengths[place])]


class RecordFile:
    """Reads a file from where it was read last. `faults` says in words what could not be read.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> with NamedTemporaryFile() as file:
        ...     _ = file.write(frame_records([b"one", b"two"])[:-1])
        ...     file.flush()
        ...     records = RecordFile(Path(file.name))
        ...     [block.record(0) for block in records.read()], records.unread
        ([b'one'], 18)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self.faults: list[str] = []
        #: Bytes behind the last whole record: a record that is being written, or the rest of a file that was cut off.
        self.unread = 0
        self._is_damaged = False

    def read(self) -> Iterator[Block]:
        """Yield the whole records that have come since the last call; raises OSError where the file cannot be read."""
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            while not self._is_damaged and self.offset < size:
                block = self._read_block(file, size)
                if block is None:
                    break
                yield block
        self.unread = max(0, size - self.offset)

    def _read_block(self, file: BinaryIO, size: int) -> Block | None:
        """Return the next records, none of them where a record was passed over; None where no whole record is left."""
        file.seek(self.offset)
        data = file.read(BLOCK_BYTES)
        starts, lengths = find_records(data)
        if not len(starts):
            wanted = self._find_end(data, size)
            if wanted is None:
                return None
            if wanted - self.offset > MAX_RECORD_BYTES + _FRAME:
                self._pass_over(wanted)
                return Block(b"", starts, lengths)
            data += file.read(wanted - self.offset - len(data))
            starts, lengths = find_records(data)
        return self._check(Block(data, starts, lengths))

    def _find_end(self, data: bytes, size: int) -> int | None:
        """Return where in the file the next record ends; None where it is cut off, or its length is damaged."""
        if len(data) < _HEAD.size:
            return None
        length, expected = _HEAD.unpack_from(data)
        if _mask_sum(data[:_HEAD_LENGTH]) != expected:
            self._end_damaged()
            return None
        end = self.offset + _FRAME + int(length)
        return end if end <= size else None

    def _check(self, block: Block) -> Block:
        """Return the records up to the first one that is damaged."""
        if not len(block):
            return block
        array = np.frombuffer(block.data, np.uint8)
        heads, tails = block.starts - _HEAD.size, block.starts + block.lengths
        is_right = mask_sums(array, heads, np.full(len(block), _HEAD_LENGTH)) == _words(array, heads + _HEAD_LENGTH)
        is_right &= mask_sums(array, block.starts, block.lengths) == _words(array, tails)
        count = len(block) if is_right.all() else int(np.argmin(is_right))
        if count:
            self.offset += int(tails[count - 1]) + 4
        if count < len(block):
            self._end_damaged()
        return Block(block.data, block.starts[:count], block.lengths[:count])

    def _end_damaged(self) -> None:
        self._is_damaged = True
        self.faults.append(f"{self.path}: damaged at byte {self.offset:,}; what lies behind is left out.")

    def _pass_over(self, end: int) -> None:
        self.faults.append(f"{self.path}: an event of {end - self.offset:,} bytes, over {MAX_RECORD_BYTES:,}.")
        self.offset = end


def find_records(data: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the whole records in `data` start, behind their heads, and how long each is; checks no sum."""
    starts, lengths = [], []
    place, size, unpack = 0, len(data), _HEAD.unpack_from
    while place + _FRAME <= size:
        length = unpack(data, place)[0]
        end = place + _FRAME + length
        if end > size:
            break
        starts.append(place + _HEAD.size)
        lengths.append(length)
        place = end
    return np.array(starts, np.int64), np.array(lengths, np.int64)


def frame_records(records: Sequence[bytes]) -> bytes:
    """Return records as a TFRecord file has them: many at once, since the sums of many take hardly longer than of one.

    Example:
        >>> len(frame_records([b"one", b"three"]))
        40
    """
    lengths = np.array([len(record) for record in records], np.int64)
    heads = np.frombuffer(lengths.astype("<u8").tobytes(), np.uint8)
    bodies = np.frombuffer(b"".join(records), np.uint8)
    places = np.arange(len(records), dtype=np.int64) * _HEAD_LENGTH
    of_heads = mask_sums(heads, places, np.full(len(records), _HEAD_LENGTH))
    of_bodies = mask_sums(bodies, np.cumsum(lengths) - lengths, lengths)
    return b"".join(
        _HEAD.pack(len(record), head) + record + struct.pack("<I", body)
        for record, head, body in zip(records, of_heads.tolist(), of_bodies.tolist(), strict=True)
    )


def _mask_sum(record: bytes) -> int:
    return int(mask_sums(np.frombuffer(record, np.uint8), np.array([0]), np.array([len(record)]))[0])


def _words(data: NDArray[np.uint8], places: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Return the little-endian u32 at each place."""
    return np.ascontiguousarray(data[places[:, None] + np.arange(4)]).view("<u4")[:, 0]
