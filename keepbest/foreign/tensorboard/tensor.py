"""A TensorProto: the numbers or the texts that an event holds, and where a single number lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keepbest.foreign.wire import (
    BYTES,
    VARINT,
    WireFault,
    WireField,
    read_bytes,
    read_fields,
    read_varint,
    read_whole,
)

_DTYPE, _SHAPE, _CONTENT, _HALVES, _TEXTS = 1, 2, 4, 13, 8
_DIMENSION, _SIZE = 2, 1
_FLOAT, _DOUBLE, _STRING, _BFLOAT16 = 1, 2, 7, 14
#: TensorFlow's number of a type, and NumPy's name.
_TYPES = {
    _FLOAT: "<f4", _DOUBLE: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 10: "?", 17: "<u2", 19: "<f2",
    22: "<u4", 23: "<u8",
}  # fmt: skip
#: Fields that hold numbers of 4 and 8 bytes, and whole numbers as varints.
_FIXED = {5: "<f4", 6: "<f8"}
_VARINTS = {7, 10, 11, 16, 17}
#: The most bytes of one number.
_MOST_BYTES = 10
#: A tensor of more numbers is none of a chart's.
MAX_NUMBERS = 2**22


@dataclass(slots=True)
class Tensor:
    """The fields of a tensor. `shape` is as it was written, sizes unchecked."""

    dtype: int = 0
    shape: list[int] = field(default_factory=list)
    parts: list[WireField] = field(default_factory=list)


def read_tensor(data: bytes, place: WireField) -> Tensor:
    """Return the tensor of a message; raises WireFault where there is none."""
    tensor = Tensor()
    for inner in read_fields(data, place.start, place.end):
        if inner.number == _DTYPE:
            tensor.dtype = read_whole(data, inner)
        elif inner.number == _SHAPE:
            tensor.shape.extend(_read_sizes(data, inner))
        else:
            tensor.parts.append(inner)
    return tensor


def find_number(tensor: Tensor) -> WireField | None:
    """Return where the one float32 or float64 of a tensor lies; None of a tensor of anything else."""
    width = {_FLOAT: 4, _DOUBLE: 8}.get(tensor.dtype)
    if width is None or len(tensor.parts) != 1:
        return None
    part = tensor.parts[0]
    is_number = part.number in (*_FIXED, _CONTENT) and part.end - part.start == width
    return part if is_number and prod(tensor.shape) == 1 else None


def read_numbers(data: bytes, tensor: Tensor) -> NDArray[np.float64] | None:
    """Return the numbers of a tensor as float64 in its shape; None of texts, or where numbers and shape do not fit.

    As TensorFlow writes it, the last number stands for all that follow.
    """
    if tensor.dtype not in (*_TYPES, _BFLOAT16):
        return None
    count = prod(tensor.shape)
    if not 0 < count <= MAX_NUMBERS or min(tensor.shape, default=1) < 0:
        return None
    if sum(part.end - part.start for part in tensor.parts) > count * _MOST_BYTES:
        return None
    numbers = np.concatenate([np.zeros(0), *(_read_part(data, tensor.dtype, part) for part in tensor.parts)])
    if not 0 < len(numbers) <= count:
        return None
    return np.pad(numbers, (0, count - len(numbers)), mode="edge").reshape(tensor.shape)


def read_texts(data: bytes, tensor: Tensor) -> list[bytes]:
    """Return the texts or files of a tensor of strings, in a row."""
    return [read_bytes(data, part) for part in tensor.parts if part.number == _TEXTS and part.kind == BYTES]


def _read_sizes(data: bytes, place: WireField) -> Iterator[int]:
    for inner in read_fields(data, place.start, place.end):
        if inner.number == _DIMENSION:
            sizes = [
                read_whole(data, part) for part in read_fields(data, inner.start, inner.end) if part.number == _SIZE
            ]
            yield sizes[-1] if sizes else 0


def _read_part(data: bytes, dtype: int, part: WireField) -> NDArray[np.float64]:
    """Return the numbers of one field: raw bytes, packed numbers, or a single number."""
    if part.number == _CONTENT:
        return _as_numbers(data, part, "<u2" if dtype == _BFLOAT16 else _TYPES[dtype], dtype)
    if part.number in _FIXED:
        return _as_numbers(data, part, _FIXED[part.number], dtype)
    if part.number == _HALVES:
        return _halves(np.array(list(_read_whole_numbers(data, part))), dtype)
    if part.number in _VARINTS:
        return np.array(list(_read_whole_numbers(data, part)), np.float64)
    return np.zeros(0)


def _as_numbers(data: bytes, part: WireField, form: str, dtype: int) -> NDArray[np.float64]:
    content, width = data[part.start : part.end], np.dtype(form).itemsize
    if len(content) % width:
        raise WireFault("a tensor ends in the middle of a number")
    numbers: NDArray[Any] = np.frombuffer(content, form)
    return _halves(numbers, dtype) if dtype == _BFLOAT16 else numbers.astype(np.float64)


def _halves(words: NDArray[Any], dtype: int) -> NDArray[np.float64]:
    """Return what 16 bits each mean: the upper half of a float32, or a float16."""
    bits = words.astype(np.int64) & 0xFFFF
    if dtype == _BFLOAT16:
        return (bits << 16).astype(np.uint32).view(np.float32).astype(np.float64)
    return bits.astype(np.uint16).view(np.float16).astype(np.float64)


def _read_whole_numbers(data: bytes, part: WireField) -> Iterator[int]:
    if part.kind == VARINT:
        yield read_whole(data, part)
        return
    place = part.start
    while place < part.end:
        number, place = read_varint(data, place, part.end)
        yield number - 2**64 if number >= 2**63 else number
