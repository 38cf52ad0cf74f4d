"""Read IDX, the format MNIST is published in: two zero bytes, a type, the number of dimensions, their sizes, the data.

Format: http://yann.lecun.com/exdb/mnist (big-endian throughout). Plain or gzip, told apart by content, not by name.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keepbest.errors import InvalidInput

_GZIP_MAGIC = b"\x1f\x8b"
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_HINT = "Fetch the file again; MNIST's own files are named train-images-idx3-ubyte.gz and so on."
#: Larger than any data set meant for this reader; a header that claims more is damaged or hostile.
MAX_BYTES = 4 * 2**30


def read_idx(path: Path, *, dimensions: int | None = None) -> NDArray[np.generic]:
    """Return the array that an IDX file holds, in this machine's byte order.

    Raises InvalidInput, naming the file, when it is not there, not IDX, cut short, too long, or does not have
    `dimensions` dimensions (labels given for images, say).
    """
    content = _read(path)
    dtype, shape = _parse_header(path, content)
    if dimensions is not None and len(shape) != dimensions:
        raise _refused(path, f"has {len(shape)} dimensions instead of {dimensions}: is it another file of the set?")
    start = 4 + 4 * len(shape)
    _check_length(path, len(content) - start, prod(shape) * dtype.itemsize, shape)
    values = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return values.astype(dtype.newbyteorder("="))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            is_gzip = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            if not is_gzip:
                return file.read(MAX_BYTES + 1)
            with gzip.GzipFile(fileobj=file) as unpacked:
                return unpacked.read(MAX_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _refused(path, f"is damaged or cut short ({error})") from error
    except OSError as error:
        raise _refused(path, f"cannot be read ({error.strerror or error})") from error


def _parse_header(path: Path, content: bytes) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES or content[3] == 0:
        raise _refused(path, "is not an IDX file")
    count = content[3]
    if len(content) < 4 + 4 * count:
        raise _refused(path, "is cut short within its header")
    return np.dtype(_TYPES[content[2]]), struct.unpack_from(f">{count}I", content, 4)


def _check_length(path: Path, found: int, expected: int, shape: tuple[int, ...]) -> None:
    if found == expected:
        return
    what = "is cut short" if found < expected else "is longer than it says"
    raise _refused(path, f"{what}: {shape} needs {expected} bytes of data, but it has {found}")


def _refused(path: Path, what: str) -> InvalidInput:
    return InvalidInput(f"{path} {what}.", field="data", hint=_HINT)
