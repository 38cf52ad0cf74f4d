"""Reads an archive, after checking all of it: names, sizes, digests, version. Nothing of it is trusted.

Only plain files with names of the layout are taken, so no path of an archive leads anywhere, and no link, sparse file
or extended header is followed.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from pydantic import ValidationError

from keepbest.archive.layout import (
    HEADER,
    MAX_HEADER_BYTES,
    MAX_MEMBERS,
    SUMS,
    ArchiveHeader,
    most_bytes,
    parse_name,
)
from keepbest.errors import InvalidInput

PIECE = 2**20
_BLOCK = tarfile.BLOCKSIZE
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE)
_HINT = "Export the run again, and copy the file whole."


@dataclass(frozen=True, slots=True)
class MemberPlace:
    """Where a member lies in the file, and its SHA-256."""

    start: int
    size: int
    digest: str


@dataclass(frozen=True)
class Archive:
    """An archive that was checked. `digest` is that of its list of digests: it names the content."""

    file: BinaryIO
    header: ArchiveHeader
    digest: str
    size: int
    places: dict[str, MemberPlace] = field(repr=False)

    def read(self, name: str) -> bytes:
        """Return a member that is small enough to be read as a whole."""
        place = self.places[name]
        self.file.seek(place.start)
        return self.file.read(place.size)

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield a member piece by piece."""
        place = self.places[name]
        left = place.size
        while left:
            self.file.seek(place.start + place.size - left)
            piece = self.file.read(min(PIECE, left))
            left -= len(piece)
            yield piece

    def parts(self, folder: str, table: str) -> Iterator[bytes]:
        """Yield the parts of a table's rows in order; the folder is `project` or `runs/<run>`."""
        beginning = f"{folder}/{table}."
        for name in sorted(name for name in self.places if name.startswith(beginning)):
            yield self.read(name)


def check(file: BinaryIO, progress: Callable[[int], object] = lambda count: None) -> Archive:
    """Read all of an archive and return where everything is; `progress` gets the number of bytes of each piece.

    Raises InvalidInput, with words, for anything that is not a whole archive of a version that this keepbest reads.
    """
    header, places, sums = None, dict[str, MemberPlace](), b""
    while (entry := _read_head(file)) is not None:
        name, size = entry.name, entry.size
        if name in places or sums:
            raise _refuse(f"It holds {name!r} twice." if name in places else f"{name!r} stands behind {SUMS}.")
        if (name == HEADER) == bool(places):
            raise _refuse(f"{HEADER} is not its first file.")
        if len(places) >= MAX_MEMBERS:
            raise _refuse(f"It has more than {MAX_MEMBERS:,} files.")
        place, content = _read_member(file, name, size, progress)
        if name == HEADER:
            header = _parse_header(content)
        if name == SUMS:
            sums = content
        else:
            places[name] = place
    if header is None or not sums:
        raise _refuse("It was cut off: the list of digests at its end is missing.")
    if file.read(_BLOCK + 1) != bytes(_BLOCK):
        raise _refuse("Its end is missing, or something stands behind it.")
    _compare(places, sums)
    return Archive(file, header, hashlib.sha256(sums).hexdigest(), file.tell(), places)


def is_archive(file: BinaryIO) -> bool:
    """Whether a file begins as an archive does; it stands at its beginning again afterwards."""
    head = file.read(len(HEADER) + 1)
    file.seek(0)
    return head == HEADER.encode() + b"\0"


def _read_head(file: BinaryIO) -> tarfile.TarInfo | None:
    """Return the next member's head, or None at the end."""
    block = file.read(_BLOCK)
    if block == bytes(_BLOCK):
        return None
    try:
        entry = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError, ValueError) as error:
        raise _refuse("It was cut off, or is no archive of keepbest.") from error
    if entry.type not in _REGULAR:
        raise _refuse(f"{entry.name[:100]!r} is no plain file.")
    if parse_name(entry.name) is None:
        raise _refuse(f"No file of an archive is called {entry.name[:100]!r}.")
    most = most_bytes(entry.name)
    if entry.size < 0 or (most is not None and entry.size > most):
        raise _refuse(f"{entry.name} has {entry.size:,} bytes, and may have {most or 0:,}.")
    return entry


def _read_member(file: BinaryIO, name: str, size: int, progress: Callable[[int], object]) -> tuple[MemberPlace, bytes]:
    """Read a member to its end; return where it is, and its content where that is one of the two documents."""
    start, digest, left, kept = file.tell(), hashlib.sha256(), size, list[bytes]()
    while left:
        piece = file.read(min(PIECE, left))
        if not piece:
            raise _refuse(f"It was cut off in {name}.")
        digest.update(piece)
        left -= len(piece)
        progress(len(piece))
        if name in (HEADER, SUMS):
            kept.append(piece)
    file.seek(start + -(-size // _BLOCK) * _BLOCK)
    return MemberPlace(start, size, digest.hexdigest()), b"".join(kept)


def _parse_header(content: bytes) -> ArchiveHeader:
    try:
        return ArchiveHeader.model_validate_json(content[:MAX_HEADER_BYTES])
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        if fault["loc"] in (("version",), ("format",)):
            message = "It has a format that this keepbest does not know."
            raise _refuse(message, hint="A newer keepbest made it: install that version.") from None
        where = ".".join(str(part) for part in fault["loc"])
        raise _refuse(f"Its {HEADER} cannot be read: {where}: {fault['msg']}.") from None


def _compare(places: dict[str, MemberPlace], sums: bytes) -> None:
    """Raise InvalidInput unless the list has each member once, with its digest."""
    listed = dict[str, str]()
    for line in sums.decode("ascii", "replace").splitlines():
        digest, _, name = line.partition("  ")
        if name in listed:
            raise _refuse(f"{SUMS} has {name[:100]!r} twice.")
        listed[name] = digest
    if listed.keys() != places.keys():
        name = min(listed.keys() ^ places.keys())
        raise _refuse(f"{name[:100]!r} is {'listed and missing' if name in listed else 'not listed'}.")
    for name, place in places.items():
        if listed[name] != place.digest:
            raise _refuse(f"{name} is not what was written: its digest differs.")


def _refuse(why: str, hint: str = _HINT) -> InvalidInput:
    return InvalidInput(f"This archive cannot be read. {why}", field="archive", hint=hint)
