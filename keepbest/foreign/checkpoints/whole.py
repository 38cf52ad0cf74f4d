"""Whether a file of weights is whole: a writer that was killed leaves half of one."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from keepbest.foreign.mlflow.folders import open_plain

_HDF5 = b"\x89HDF\r\n\x1a\n"
#: Where the first block of an HDF5 file says its length, by the block's version.
_END_AT = {0: 40, 1: 44, 2: 28, 3: 28}
_DATA = re.compile(r"\.data-(\d{5})-of-(\d{5})$")
INDEX = ".index"


def find_fault(name: str, path: Path, size: int) -> str | None:
    """Return why a file is no checkpoint; None for a whole one."""
    with open_plain(path) as file:
        head = file.read(64)
        if name.endswith(".keras"):
            file.seek(0)
            return None if zipfile.is_zipfile(file) else "it is cut off, or no zip file"
    if name.endswith((".h5", ".hdf5")):
        return _find_fault_of_hdf5(head, size)
    return None if size else "it is empty"


def split_prefix(name: str) -> str | None:
    """Return the prefix of a file of TensorFlow's own form; None for another file.

    >>> split_prefix("cp-3.data-00000-of-00001"), split_prefix("cp-3.index"), split_prefix("a.keras")
    ('cp-3', 'cp-3', None)
    """
    return name.removesuffix(INDEX) if name.endswith(INDEX) else _DATA.sub("", name) if _DATA.search(name) else None


def find_missing(files: Mapping[str, int], prefix: str) -> str | None:
    """Return which part of a checkpoint of TensorFlow's form is missing, or empty; None if all are there."""
    parts = [match for name in files if (match := _DATA.search(name)) is not None]
    wanted = {f"{prefix}.data-{number:05d}-of-{match[2]}" for match in parts[:1] for number in range(int(match[2]))}
    lacking = sorted(name for name in {f"{prefix}{INDEX}", *_or_some(wanted, prefix)} if not files.get(name))
    return lacking[0] if lacking else None


def _or_some(wanted: set[str], prefix: str) -> Sequence[str]:
    return sorted(wanted) or [f"{prefix}.data-00000-of-00001"]


def _find_fault_of_hdf5(head: bytes, size: int) -> str | None:
    if not head.startswith(_HDF5):
        return "it is no HDF5 file"
    place = _END_AT.get(head[8])
    end = int.from_bytes(head[place : place + 8], "little") if place is not None else 0
    return f"it is cut off: {size:,} of {end:,} bytes" if size < end else None
