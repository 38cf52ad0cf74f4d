"""Reads IDX, the format of MNIST: two zero bytes, a type, the number of dimensions, their sizes, the data.

Format: http://yann.lecun.com/exdb/mnist (big-endian throughout). A file is plain or gzip, by its content, not its name.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from keepbest.errors import InvalidInput

_GZIP_MAGIC = b"\x1f\x8b"
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_HINT = "Fetch the file again; MNIST's own files are named train-images-idx3-ubyte.gz and so on."
#: More than any data set for this reader has; a header with larger sizes is damaged or hostile.
MAX_BYTES = 4 * 2**30
MAX_DIMENSIONS = 8
_PIECE = 16 * 2**20


def read_idx(path: Path, *, dimensions: int | None = None) -> NDArray[np.generic]:
    """Return the array of an IDX file, in this machine's byte order.

    Raises InvalidInput, which names the file, if it is missing, not IDX, cut short or too long, or does not have
    `dimensions` dimensions (labels instead of images, say).
    """
    with _reading(path) as file:
        dtype, shape = _read_header(path, file)
        if dimensions is not None and len(shape) != dimensions:
            raise _refused(path, f"has {len(shape)} dimensions instead of {dimensions}: is it another file of the set?")
        content = _read_data(path, file, shape, prod(shape) * dtype.itemsize)
    values = np.frombuffer(content, dtype).reshape(shape)
    return values.astype(dtype.newbyteorder("="))


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    """Open a plain or packed file; turn errors of reading it into InvalidInput."""
    try:
        with path.open("rb") as file:
            is_gzip = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            if not is_gzip:
                yield file
                return
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield cast(IO[bytes], unpacked)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _refused(path, f"is damaged or cut short ({error})") from error
    except OSError as error:
        raise _refused(path, f"cannot be read ({error.strerror or error})") from error


def _read_header(path: Path, file: IO[bytes]) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    """Return type and shape, after checking that they are within the limits."""
    start = file.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _TYPES or start[3] == 0:
        raise _refused(path, "is not an IDX file")
    count = start[3]
    if count > MAX_DIMENSIONS:
        raise _refused(path, f"has {count} dimensions by its header; at most {MAX_DIMENSIONS} are allowed")
    sizes = file.read(4 * count)
    if len(sizes) < 4 * count:
        raise _refused(path, "is cut short within its header")
    dtype, shape = np.dtype(_TYPES[start[2]]), struct.unpack(f">{count}I", sizes)
    if prod(shape) * dtype.itemsize > MAX_BYTES:
        raise _refused(path, f"has the shape {shape} by its header: at most {MAX_BYTES // 2**30} GiB are allowed")
    return dtype, shape


def _read_data(path: Path, file: IO[bytes], shape: tuple[int, ...], expected: int) -> bytearray:
    """Return the values' bytes, and read at most one byte past them."""
    content = bytearray()  # grows by pieces: a false header must not reserve memory
    while len(content) < expected and (piece := file.read(min(_PIECE, expected - len(content)))):
        content += piece
    if len(content) < expected:
        raise _refused(path, f"is cut short: {shape} needs {expected} bytes of data, but it has {len(content)}")
    if file.read(1):
        raise _refused(path, f"is longer than its header says: {shape} needs {expected} bytes of data")
    return content


def _refused(path: Path, what: str) -> InvalidInput:
    return InvalidInput(f"{path} {what}.", field="data", hint=_HINT)
