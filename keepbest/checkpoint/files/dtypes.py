"""Data types: the names that TensorFlow and NumPy share, and the codes of the safetensors format."""

from __future__ import annotations

from typing import Any

from keepbest.errors import CheckpointError

_CODES: dict[str, tuple[str, int]] = {
    "float64": ("F64", 8),
    "float32": ("F32", 4),
    "float16": ("F16", 2),
    "bfloat16": ("BF16", 2),
    "float8_e4m3fn": ("F8_E4M3", 1),
    "float8_e5m2": ("F8_E5M2", 1),
    "complex64": ("C64", 8),
    "int64": ("I64", 8),
    "int32": ("I32", 4),
    "int16": ("I16", 2),
    "int8": ("I8", 1),
    "uint64": ("U64", 8),
    "uint32": ("U32", 4),
    "uint16": ("U16", 2),
    "uint8": ("U8", 1),
    "bool": ("BOOL", 1),
}


def code_of(dtype: str) -> str:
    """Return safetensors' code of `dtype`."""
    return _get(dtype)[0]


def size_of(dtype: str) -> int:
    """Return the bytes of one element."""
    return _get(dtype)[1]


def numpy_dtype(dtype: str) -> Any:
    """Return NumPy's data type; the small floats come from ml_dtypes, which TensorFlow installs."""
    import numpy as np

    if _get(dtype)[0] in {"BF16", "F8_E4M3", "F8_E5M2"}:
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, dtype))
    return np.dtype(dtype)


def _get(dtype: str) -> tuple[str, int]:
    if dtype not in _CODES:
        raise CheckpointError(f"A variable of type {dtype!r} cannot be stored.")
    return _CODES[dtype]
