"""The wire format of protocol buffers: reads fields where they lie, without copies, and writes them.

Files of TensorBoard and of W&B hold such messages. Their values are read in place because a million of them are read at
once; see `keepbest.foreign.tensorboard.scalars`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}
_MAX_VARINT = 10
_WORD = 2**64

Buffer = bytes | memoryview


class WireFault(ValueError):
    """The bytes are no message."""


class WireField(NamedTuple):
    """One field of a message: its number, how it is written, and where its value lies in the buffer."""

    number: int
    kind: int
    start: int
    end: int


def read_fields(data: Buffer, start: int = 0, end: int | None = None) -> Iterator[WireField]:
    """Yield the fields of the message in `data[start:end]`, in the order in which they lie there.

    Raises WireFault where the bytes are no message.

    Example:
        >>> [tuple(field) for field in read_fields(bytes([8, 5, 18, 1, 65]))]
        [(1, 0, 1, 2), (2, 2, 4, 5)]
    """
    end = len(data) if end is None else end
    place = start
    while place < end:
        key, place = read_varint(data, place, end)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            begin, place = place, read_varint(data, place, end)[1]
        elif kind == BYTES:
            length, begin = read_varint(data, place, end)
            place = begin + length
        elif kind in _FIXED:
            begin, place = place, place + _FIXED[kind]
        else:
            raise WireFault(f"no field is written as kind {kind}")
        if place > end or number == 0:
            raise WireFault("a field ends behind its message" if number else "a field has the number 0")
        yield WireField(number, kind, begin, place)


def read_varint(data: Buffer, place: int, end: int) -> tuple[int, int]:
    """Return a whole number, 0 to 2**64 - 1, and the place behind it."""
    number = shift = 0
    for at in range(place, min(end, place + _MAX_VARINT)):
        byte = data[at]
        number |= (byte & 127) << shift
        if byte < 128:
            return number % _WORD, at + 1
        shift += 7
    raise WireFault("a number does not end")


def read_whole(data: Buffer, field: WireField) -> int:
    """Return a whole number with its sign.

    Example:
        >>> read_whole(bytes([8, 5]), WireField(1, VARINT, 1, 2))
        5
    """
    number = read_varint(data, field.start, field.end)[0] if field.kind == VARINT else 0
    return number - _WORD if number >= _WORD // 2 else number


def read_float(data: Buffer, field: WireField) -> float:
    """Return a number that is written in 4 or 8 bytes.

    Example:
        >>> read_float(struct.pack("<f", 0.5), WireField(1, FIXED32, 0, 4))
        0.5
    """
    form = "<d" if field.end - field.start == 8 else "<f"
    if field.end - field.start != struct.calcsize(form):
        raise WireFault("a number with a fraction has 4 or 8 bytes")
    return float(struct.unpack_from(form, data, field.start)[0])


def read_bytes(data: Buffer, field: WireField) -> bytes:
    """Return a copy of the value's bytes."""
    return bytes(data[field.start : field.end])


def read_text(data: Buffer, field: WireField) -> str:
    """Return a text; what is no UTF-8 in it becomes question marks."""
    return read_bytes(data, field).decode(errors="replace")


# Writing


def write_varint(number: int) -> bytes:
    """Return the bytes of a whole number.

    Example:
        >>> write_varint(300).hex()
        'ac02'
    """
    number %= _WORD
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    return bytes([*written, number])


def write_field(number: int, value: int | float | str | bytes) -> bytes:
    """Return a field: a whole number as varint, a number with a fraction in 8 bytes, a text or a message by its length.

    Example:
        >>> write_field(2, "A").hex()
        '120141'
    """
    if isinstance(value, int):
        return write_varint(number << 3 | VARINT) + write_varint(value)
    if isinstance(value, float):
        return write_varint(number << 3 | FIXED64) + struct.pack("<d", value)
    content = value.encode() if isinstance(value, str) else value
    return write_varint(number << 3 | BYTES) + write_varint(len(content)) + content


def write_single(number: int, value: float) -> bytes:
    """Return a field of a number with a fraction in 4 bytes; what is too large for them becomes infinite."""
    try:
        content = struct.pack("<f", value)
    except OverflowError:
        content = struct.pack("<f", float("inf") if value > 0 else float("-inf"))
    return write_varint(number << 3 | FIXED32) + content
