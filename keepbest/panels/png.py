"""Writes an array as a picture in a PNG file, with zlib alone."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

#: A small picture is enlarged, each pixel to a square, until its longer side has about this many pixels.
SIDE = 256
#: PNG's number for a picture of so many channels: grey, or red, green and blue.
_COLORS = {1: 0, 3: 2}


def to_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a picture of (height, width) bytes, from black to white, enlarged if it is small."""
    times = max(1, SIDE // max(pixels.shape))
    return encode_png(pixels.repeat(times, axis=0).repeat(times, axis=1)[..., np.newaxis])


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a picture of (height, width, 1 or 3) bytes (W3C's PNG, 8 bits a channel, no filter)."""
    height, width, channels = pixels.shape
    rows = np.hstack([np.zeros((height, 1), np.uint8), pixels.reshape(height, width * channels)]).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, _COLORS[channels], 0, 0, 0)
    parts = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
