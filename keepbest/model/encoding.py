"""Encodes arrays of words, and of rare types of numbers, as bytes: a store holds only arrays of plain numbers.

An array of words becomes the bytes of a JSON file, any other array the bytes of a `.npy` file. The suffix of the name
says which. Neither needs pickle.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from math import prod
from typing import Any

from keepbest.errors import CheckpointDamaged, CheckpointError

#: The types that a store holds without encoding.
PLAIN = frozenset(
    (
        *("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "complex64", "bool"),
        *("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8"),
    )
)
_WORDS, _NPY = ".json", ".npy"


def encode(name: str, value: Any) -> tuple[str, Any]:
    """Return the name and the value under which a store holds `value`: a tensor or an array.

    Raises CheckpointError for Python objects, which only pickle could store.
    """
    import numpy as np

    is_plain = getattr(value.dtype, "name", "") in PLAIN and getattr(value.dtype, "isnative", True)
    if is_plain and not name.endswith((_WORDS, _NPY)):
        return name, value
    array = np.asarray(value)
    if array.dtype.kind == "O":
        words = [_text(word) for word in array.reshape(-1).tolist()]
        return f"{name}{_WORDS}", to_bytes(json.dumps({"shape": array.shape, "words": words}).encode())
    if array.dtype.kind == "V":
        raise CheckpointError(f"{name} is an array of the type {array.dtype}, which cannot be stored.")
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return f"{name}{_NPY}", to_bytes(file.getvalue())


def decode(name: str, value: Any) -> tuple[str, Any]:
    """Return the name and the array that `encode` got; words come back as bytes in an array of objects.

    Raises CheckpointDamaged if `encode` cannot have written `value`.
    """
    import numpy as np

    try:
        if name.endswith(_WORDS):
            return name.removesuffix(_WORDS), _read_words(np.asarray(value).tobytes())
        if name.endswith(_NPY):
            return name.removesuffix(_NPY), np.load(io.BytesIO(np.asarray(value).tobytes()), allow_pickle=False)
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise CheckpointDamaged(f"{name} cannot be read: {error}.") from error
    return name, np.array(value)


def to_bytes(data: bytes) -> Any:
    """Return `data` as an array of bytes, as a store holds it."""
    import numpy as np

    return np.frombuffer(data, np.uint8)


def encode_words(words: Sequence[str | int]) -> Any:
    """Return a list of words, or of whole numbers, as the bytes of a JSON file."""
    return to_bytes(json.dumps(list(words)).encode())


def decode_words(value: Any) -> list[Any]:
    """Return the list that `encode_words` got. Raises CheckpointDamaged for anything else."""
    import numpy as np

    try:
        words = json.loads(np.asarray(value).tobytes())
    except ValueError as error:
        raise CheckpointDamaged(f"A vocabulary cannot be read: {error}.") from error
    if not isinstance(words, list) or not all(isinstance(word, str | int) for word in words):
        raise CheckpointDamaged("A vocabulary is not a list of words.")
    return words


def _text(word: Any) -> str:
    if not isinstance(word, bytes | str):
        raise CheckpointError(f"A {type(word).__name__} in an array of objects cannot be stored.")
    return word.decode("utf-8", "surrogateescape") if isinstance(word, bytes) else word


def _read_words(data: bytes) -> Any:
    import numpy as np

    content = json.loads(data)
    shape, words = tuple(content["shape"]), content["words"]
    if prod(shape) != len(words):
        raise ValueError(f"it has {len(words)} words for the shape {list(shape)}")
    array = np.empty(len(words), object)
    array[:] = [word.encode("utf-8", "surrogateescape") for word in words]
    return array.reshape(shape)
