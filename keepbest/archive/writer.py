"""Writes an archive as a stream, whose length is known before the first byte."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from keepbest.archive.layout import SUMS
from keepbest.errors import CheckpointDamaged

_BLOCK = tarfile.BLOCKSIZE
#: Two empty blocks end an archive.
_END = bytes(2 * _BLOCK)


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive: its name, its size in bytes, and how to read it."""

    name: str
    size: int
    read: Callable[[], Iterable[bytes]]


def count_bytes(members: Sequence[Member]) -> int:
    """Return the size of the archive with these members."""
    return sum(_BLOCK + _padded(member.size) for member in [*members, _sums(members, {})]) + len(_END)


def stream(members: Sequence[Member]) -> Iterator[bytes]:
    """Yield the archive with these members, and the list of their digests behind them.

    Raises CheckpointDamaged where a member has another size than it said.
    """
    digests = dict[str, str]()
    for member in members:
        digest, size = hashlib.sha256(), 0
        yield _head(member)
        for piece in member.read():
            digest.update(piece)
            size += len(piece)
            yield piece
        if size != member.size:
            raise CheckpointDamaged(f"{member.name} has {size:,} bytes, not {member.size:,}.", hint="Export it again.")
        yield bytes(_padded(size) - size)
        digests[member.name] = digest.hexdigest()
    last = _sums(members, digests)
    yield _head(last)
    yield from last.read()
    yield bytes(_padded(last.size) - last.size)
    yield _END


def _sums(members: Sequence[Member], digests: dict[str, str]) -> Member:
    """Return the member with the digests, in the form that `sha256sum --check` reads."""
    size = sum(64 + 2 + len(member.name.encode()) + 1 for member in members)
    return Member(SUMS, size, lambda: (f"{digests[member.name]}  {member.name}\n".encode() for member in members))


def _head(member: Member) -> bytes:
    entry = tarfile.TarInfo(member.name)
    entry.size, entry.mode = member.size, 0o644
    return entry.tobuf(tarfile.GNU_FORMAT)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
