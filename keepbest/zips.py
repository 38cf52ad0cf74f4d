"""Checks the directory of a zip file from the network before `zipfile` reads it.

`zipfile` makes an object for each entry before its caller can count the entries. So this module first walks over the
directory by the lengths in it (APPNOTE.TXT 4.3.12 and 4.3.16,
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT). It accepts only the plain layout, which every reader
understands in the same way: no bytes before the first file or after the directory's end record, and no Zip64.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile

from keepbest.errors import InvalidInput

MAX_NAME_BYTES = 1000
#: The most folders in folders, the file's own name counted.
MAX_DEPTH = 32
#: The longest name of one file or folder that file systems accept.
MAX_PART_BYTES = 255

_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_END_MARK, _ENTRY_MARK, _ZIP64_MARK = b"PK\5\6", b"PK\1\2", b"PK\6\7"
#: The most bytes of an entry's extra fields and comment.
_MAX_EXTRA_BYTES = 200


def check_directory(content: bytes, most: int) -> None:
    """Raise BadZipFile unless the directory is plain and whole, and lists at most `most` files."""
    start, end = _find_directory(content)
    place, entries, packed_bytes = start, 0, 0
    while place < end:
        entries += 1
        if entries > most:
            raise BadZipFile(f"it has more than {most} entries")
        size, packed = _check_entry(content, place, end)
        place, packed_bytes = place + size, packed_bytes + packed
    if packed_bytes > start:
        raise BadZipFile("its files overlap")


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn any error of reading an archive into InvalidInput."""
    try:
        yield
    except (BadZipFile, NotImplementedError, EOFError, ValueError, RuntimeError, zlib.error, struct.error) as error:
        raise refuse(f"is not a zip archive that can be read ({error})") from error


def refuse(what: str) -> InvalidInput:
    """Return the error about a code bundle: `what` continues the sentence."""
    return InvalidInput(f"The code bundle {what}.", field="bundle", hint="Submit the run again with `keepbest submit`.")


def find_fault(name: str) -> str | None:
    """Return what is wrong with the length or depth of a file's name, or None."""
    parts = name.split("/")
    if len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES:
        return f"has a name of more than {MAX_NAME_BYTES} bytes"
    if len(parts) > MAX_DEPTH:
        return f"lies more than {MAX_DEPTH} folders deep"
    if any(len(part.encode("utf-8", "replace")) > MAX_PART_BYTES for part in parts):
        return f"has a folder or a name of more than {MAX_PART_BYTES} bytes"
    return None


def _find_directory(content: bytes) -> tuple[int, int]:
    """Return where the directory begins and where it ends, at the end record."""
    end = len(content) - _END.size
    if end < 0:
        raise BadZipFile("it is too short")
    mark, disk, first_disk, _, _, size, start, comment = _END.unpack_from(content, end)
    if mark != _END_MARK or disk or first_disk or comment or start + size != end:
        raise BadZipFile("it does not end with the directory of one plain archive")
    if end >= 20 and content[end - 20 : end - 16] == _ZIP64_MARK:
        raise BadZipFile("it says that it is a Zip64 archive")
    return start, end


def _check_entry(content: bytes, place: int, end: int) -> tuple[int, int]:
    """Return the size of a directory entry, and the packed size of its file."""
    if place + _ENTRY.size > end:
        raise BadZipFile("its directory is cut short")
    fields = _ENTRY.unpack_from(content, place)
    mark, method, packed, name, extra, comment = fields[0], fields[4], fields[8], *fields[10:13]
    if mark != _ENTRY_MARK:
        raise BadZipFile("its directory holds something else than files")
    if method not in (ZIP_STORED, ZIP_DEFLATED):
        raise BadZipFile(f"a file of it is packed by method {method}, not stored or deflated")
    size = _ENTRY.size + name + extra + comment
    if name > MAX_NAME_BYTES or extra + comment > _MAX_EXTRA_BYTES or place + size > end:
        raise BadZipFile("an entry of its directory is too long")
    return size, packed
