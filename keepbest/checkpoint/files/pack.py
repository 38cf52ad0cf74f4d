"""A pack: one safetensors file with the values that a checkpoint adds to the store, each under its digest.

keepbest writes packs itself: `safetensors.serialize_file` holds Python's lock while the disk writes (measured: 21 ms at
best), and training would wait for it. `writev` releases the lock, takes the buffers as they are, and lets us sync the
file. The keys of the header are digests of the values, so the digest of the header identifies the content: it names the
pack.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

from keepbest.checkpoint.files import direct_io
from keepbest.checkpoint.files.dtypes import code_of
from keepbest.errors import CheckpointDamaged

#: The limit of safetensors itself.
MAX_HEADER_BYTES = 100_000_000
#: The most buffers and bytes for one call of writev: Linux writes at most 2 GiB at once.
_BUFFERS, _BYTES = 512, 2**30
_PIECE = 4 * 2**20


@dataclass(frozen=True)
class PackEntry:
    """One value on its way into a pack. `data` are its bytes: a flat uint8 array, not a copy."""

    digest: str
    dtype: str
    shape: tuple[int, ...]
    data: Any


def digest_of(dtype: str, shape: Sequence[int], data: Any) -> str:
    """Return the digest of a value: of its type, its shape and its bytes."""
    prefix = f"{code_of(dtype)}{list(shape)}".encode()
    digest: str = blake3(prefix).update(data).hexdigest()
    return digest


def header_of(parts: Sequence[PackEntry]) -> bytes:
    """Return the header with its length in front, padded so that the values start at a multiple of 8."""
    entries: dict[str, Any] = {}
    offset = 0
    for part in parts:
        end = offset + len(part.data)
        entries[part.digest] = {"dtype": code_of(part.dtype), "shape": part.shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def name_of(header: bytes) -> str:
    """Return the digest that names the pack with this header."""
    return str(blake3(header).hexdigest())


def write(descriptor: int, header: bytes, parts: Sequence[PackEntry]) -> int:
    """Write a pack to an open file; return its size in bytes."""
    return write_all(descriptor, [header, *(part.data for part in parts)])


def write_all(descriptor: int, buffers: Sequence[Any]) -> int:
    """Write `buffers` one after the other to an open, empty file; return the number of bytes.

    This reserves the space first, so that a full disk raises before the first byte and not after the last.
    """
    size_bytes = sum(len(buffer) for buffer in buffers)
    _reserve(descriptor, size_bytes)
    if size_bytes >= direct_io.DIRECT_FROM_BYTES and direct_io.begin(descriptor):
        direct_io.write(descriptor, _pieces(buffers))
    else:
        for batch in _batches(buffers):
            _write_batch(descriptor, batch)
    return size_bytes


def read_header(descriptor: int, name: str) -> tuple[dict[str, tuple[int, int]], int]:
    """Return (offset in the file, bytes) for each digest, and the size that the file must have.

    Raises:
        CheckpointDamaged: The digest of the header is not `name`, or the file was cut short.
    """
    entries, start = _read_entries(descriptor, name, 0, os.fstat(descriptor).st_size)
    places = {
        digest: (start + entry["data_offsets"][0], entry["data_offsets"][1] - entry["data_offsets"][0])
        for digest, entry in entries.items()
    }
    return places, max((offset + count for offset, count in places.values()), default=start)


def check(descriptor: int, name: str, start: int = 0, size: int | None = None) -> None:
    """Read all of a pack, piece by piece, and check every digest.

    The pack is the whole file, or the `size` bytes of it from `start` on.

    Raises:
        CheckpointDamaged: The header or a value is not what was written.
    """
    has_bytes = os.fstat(descriptor).st_size if size is None else size
    entries, first = _read_entries(descriptor, name, start, has_bytes)
    ends = [first + entry["data_offsets"][1] for entry in entries.values()]
    if has_bytes != max(ends, default=first):
        raise CheckpointDamaged(f"The object {name[:12]} was cut short or added to.")
    for digest, entry in entries.items():
        value = blake3(f"{entry['dtype']}{entry['shape']}".encode())
        begin, end = entry["data_offsets"]
        for piece in _read_pieces(descriptor, start + first + begin, end - begin):
            value.update(piece)
        if value.hexdigest() != digest:
            raise CheckpointDamaged(f"A value in object {name[:12]} is not what was written: its digest differs.")


def _read_entries(descriptor: int, name: str, start: int, size: int) -> tuple[dict[str, Any], int]:
    """Return the header, whose digest must be `name`, and the offset of the first value in the pack."""
    length = int.from_bytes(os.pread(descriptor, 8, start), "little")
    header = os.pread(descriptor, min(length, MAX_HEADER_BYTES, size) + 8, start)
    if name_of(header) != name:
        raise CheckpointDamaged(f"The header of object {name[:12]} is not what was written.")
    try:
        entries = json.loads(header[8:])
        is_header = isinstance(entries, dict) and all(_is_entry(entry) for entry in entries.values())
    except (ValueError, RecursionError):
        is_header = False
    if not is_header:  # the digest is right, so another program wrote it
        raise CheckpointDamaged(f"The header of object {name[:12]} is not one of a checkpoint.")
    return entries, len(header)


def _is_entry(entry: Any) -> bool:
    """Whether `entry` has the form that `header_of` writes."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        return False
    shape, offsets = entry["shape"], entry["data_offsets"]
    counts = isinstance(shape, list) and isinstance(offsets, list) and [*shape, *offsets]
    if not isinstance(entry["dtype"], str) or not counts or len(offsets) != 2:
        return False
    return all(type(count) is int and 0 <= count < 2**63 for count in counts) and offsets[0] <= offsets[1]


def _read_pieces(descriptor: int, offset: int, count: int) -> Iterator[bytes]:
    while count > 0 and (piece := os.pread(descriptor, min(count, _PIECE), offset)):
        yield piece
        offset, count = offset + len(piece), count - len(piece)


def _batches(buffers: Sequence[Any]) -> Iterator[list[memoryview]]:
    """Yield the buffers for each call of writev."""
    batch: list[memoryview] = []
    size = 0
    for view in _pieces(buffers):
        if len(batch) == _BUFFERS or size + len(view) > _BYTES:
            yield batch
            batch, size = [], 0
        batch.append(view)
        size += len(view)
    yield batch


def _pieces(buffers: Sequence[Any]) -> Iterator[memoryview]:
    for buffer in buffers:
        view = memoryview(buffer)
        for start in range(0, len(view), _BYTES):
            yield view[start : start + _BYTES]


def _write_batch(descriptor: int, buffers: list[memoryview]) -> None:
    """Write all of `buffers`: one call of writev may write only a part."""
    while buffers:
        count = os.writev(descriptor, buffers)
        while buffers and count >= len(buffers[0]):
            count -= len(buffers.pop(0))
        if count:
            buffers[0] = buffers[0][count:]


def _reserve(descriptor: int, size_bytes: int) -> None:
    """Reserve `size_bytes`, if the file system can do that."""
    try:
        if size_bytes:
            os.posix_fallocate(descriptor, 0, size_bytes)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL, errno.ENODEV}:
            raise
