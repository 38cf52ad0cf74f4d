"""Writes files past the page cache.

keepbest writes checkpoints often and reads them seldom. Writing through the cache costs processor time for every page,
which training lacks then, and pushes training's data out of the cache when memory is short.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

#: Smaller files go through the cache, which costs them next to nothing.
DIRECT_FROM_BYTES = 8 * 2**20
#: Bytes written at once: a multiple of any disk's block.
CHUNK_BYTES = 4 * 2**20


def begin(descriptor: int) -> bool:
    """Make writes to an open file go past the cache; return False if the file system cannot do that."""
    try:
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_DIRECT)
    except (OSError, AttributeError):
        return False
    return True


def end(descriptor: int) -> None:
    """Let writes go through the cache again."""
    with suppress(OSError):
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~os.O_DIRECT)


def write(descriptor: int, pieces: Iterable[memoryview]) -> None:
    """Write `pieces` one after the other, by way of one buffer that is aligned as disks need it."""
    import numpy as np

    buffer = np.frombuffer(mmap.mmap(-1, CHUNK_BYTES), np.uint8)
    filled = 0
    for piece in pieces:
        source = np.frombuffer(piece, np.uint8) if len(piece) else buffer[:0]
        while len(source):
            taken = min(len(source), CHUNK_BYTES - filled)
            np.copyto(buffer[filled : filled + taken], source[:taken])  # releases Python's lock
            filled, source = filled + taken, source[taken:]
            if filled == CHUNK_BYTES:
                _flush(descriptor, buffer)
                filled = 0
    end(descriptor)  # the rest does not fill a whole block
    _flush(descriptor, buffer[:filled])


def _flush(descriptor: int, data: Any) -> None:
    while len(data):
        try:
            data = data[os.write(descriptor, data) :]
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            end(descriptor)  # this file system accepts the flag and then refuses the write
            data = data[os.write(descriptor, data) :]
