"""Packs the arrays of a panel for the tracker."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keepbest.contract.panels import PackedArray


def pack(array: NDArray[Any]) -> PackedArray:
    """Return an array as little-endian bytes: uint8 as it is, everything else as float32."""
    plain = array if array.dtype == np.uint8 else array.astype("<f4")
    kind: Any = "uint8" if plain.dtype == np.uint8 else "float32"
    data = base64.b64encode(np.ascontiguousarray(plain).tobytes()).decode()
    return PackedArray(shape=list(plain.shape), dtype=kind, data=data)


def unpack(packed: PackedArray) -> NDArray[Any]:
    """Return the array that `pack` got.

    Raises ValueError if the number of bytes does not match the shape.
    """
    kind = np.uint8 if packed.dtype == "uint8" else np.dtype("<f4")
    return np.frombuffer(base64.b64decode(packed.data), kind).reshape(packed.shape)


def to_bytes(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Return values from `low` to `high` as 0 to 255; a NaN becomes the middle."""
    span = high - low if high > low else 1.0
    scaled = (np.nan_to_num(values, nan=(low + high) / 2) - low) * (255.0 / span)
    whole: NDArray[np.uint8] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return whole


def finite(value: Any) -> float | None:
    """Return a number, or None if it is not finite."""
    number = float(value)
    return number if math.isfinite(number) else None
