"""A script's configuration as JSON: each value as it is, or a description that identifies it.

| a value | becomes |
|---|---|
| number, truth, text, None; NumPy's too | itself; not finite or of more than 300 digits, text |
| dict, dataclass, named tuple, Namespace, pydantic and attrs objects | an object |
| list, tuple, set (in order), range, deque | a list |
| an array or a tensor | up to 100 numbers a list, else its shape, dtype, digest, least and greatest |
| enum, path, date, dtype, function, class, anything else | text, without addresses in memory |
| a Keras object | its class and its `get_config()` |

No value raises an error. Everything has a limit, and a warning names what is left out.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import hashlib
import logging
import math
import os
import re
from collections import deque
from collections.abc import Mapping, Set
from contextlib import suppress
from itertools import islice
from types import SimpleNamespace
from typing import Any

from keepbest.contract.runs import MAX_PARAMETERS
from keepbest.journal.values import clean

MAX_DEPTH = 10
#: Values, and characters of all texts, of one configuration.
MAX_VALUES = 10_000
MAX_CHARACTERS = 200_000
MAX_TEXT = 10_000
MAX_KEY = 200
#: An array of up to so many numbers becomes a list.
MAX_LISTED = 100
#: Larger arrays get no digest, which would take seconds.
MAX_HASHED_BYTES = 256 * 2**20
#: Digits of a whole number; a longer number becomes text.
MAX_DIGITS = 300

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_log = logging.getLogger("keepbest")


def to_json(config: Any) -> dict[str, Any]:
    """Return a configuration as JSON; a value that is no mapping becomes the field `config` of an object."""
    describing = _Describing()
    value = describing.value(config, 0)
    fields = value if isinstance(value, dict) else {"config": value}
    kept = dict(islice(fields.items(), MAX_PARAMETERS))
    if len(kept) < len(fields) or describing.left_out:
        what = describing.left_out or f"all after {list(kept)[-1]!r}"
        _log.warning("keepbest: the configuration is too large; keepbest leaves out %s.", what)
    return kept


class _Describing:
    """Turns one configuration into JSON, within its limits."""

    def __init__(self) -> None:
        self.left_out = ""
        self._values = MAX_VALUES
        self._characters = MAX_CHARACTERS

    def value(self, value: Any, depth: int) -> Any:
        """Return `value` as JSON; never raises."""
        self._values -= 1
        if self._is_full:
            return self._leave_out(value)
        try:
            return self._plain(value, depth)
        except Exception as error:  # from the value's own code: its __str__, get_config or __array__
            return self._text(f"<{type(value).__name__}: {type(error).__name__}>")

    @property
    def _is_full(self) -> bool:
        return self._values < 0 or self._characters < 0

    def _plain(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, enum.Enum) and not isinstance(value, int | str):
            return self._text(str(value))
        if isinstance(value, int):
            return _whole(int(value))
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else str(float(value))
        if isinstance(value, str):
            return self._text(str(value))
        return self._composed(value, depth)

    def _composed(self, value: Any, depth: int) -> Any:
        if _is_array(value):
            return self._array(value, depth)
        inner = fields_of(value)
        if inner is None:
            inner = _items_of(value)
        if inner is None:
            return self._text(_describe(value))
        if depth >= MAX_DEPTH:
            return self._leave_out(value)
        if isinstance(inner, Mapping):
            return self._object(inner, depth)
        listed = []
        for item in inner:
            if self._is_full:
                self._leave_out(item)
                break
            listed.append(self.value(item, depth + 1))
        return _in_order(listed) if isinstance(value, Set) else listed

    def _object(self, fields: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        for key, inner in fields.items():
            if self._is_full:
                self._leave_out(inner)
                break
            name = self._text(str(key))[:MAX_KEY]
            answer[name if name not in answer else f"{name} ({type(key).__name__})"] = self.value(inner, depth + 1)
        return answer

    def _array(self, value: Any, depth: int) -> Any:
        array = _read_array(value)
        if array is None:
            return {"shape": self._text(str(value.shape)), "dtype": self._text(_describe(value.dtype))}
        if array.size <= MAX_LISTED:
            listed = array.tolist()
            return self.value(float(listed) if _is_array(listed) else listed, depth + 1)
        fields = {"shape": list(array.shape), "dtype": str(array.dtype)}
        if array.dtype.kind in "iuf":
            fields |= {
                "min": self.value(array.min().item(), depth + 1),
                "max": self.value(array.max().item(), depth + 1),
            }
        if array.nbytes <= MAX_HASHED_BYTES and not array.dtype.hasobject:
            fields["sha256"] = hashlib.sha256(array.tobytes()).hexdigest()
        return fields

    def _text(self, text: str) -> str:
        cleaned = clean(text)
        self._characters -= min(len(cleaned), MAX_TEXT)
        return cleaned if len(cleaned) <= MAX_TEXT else f"{cleaned[:MAX_TEXT]}… ({len(cleaned)} characters)"

    def _leave_out(self, value: Any) -> str:
        what = f"<{type(value).__name__}>"
        self.left_out = self.left_out or f"{what} and what follows"
        return what


def _in_order(listed: list[Any]) -> list[Any]:
    try:
        return sorted(listed)
    except TypeError:
        return sorted(listed, key=repr)


def _whole(number: int) -> int | str:
    if abs(number).bit_length() <= 3.32 * MAX_DIGITS:
        return number
    return f"<int of {number.bit_length()} bits>" if number.bit_length() > 10_000 else str(number)


def _is_array(value: Any) -> bool:
    """Whether `value` is an array, a tensor or a scalar of NumPy, TensorFlow or another library."""
    return hasattr(value, "dtype") and hasattr(value, "shape") and not isinstance(value, type)


def _read_array(value: Any) -> Any:
    """Return a NumPy array; None for a tensor that has no values yet."""
    import numpy as np

    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value)
    with suppress(Exception):  # from the value's own code
        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
        return None if array.dtype.hasobject else array
    return None


def fields_of(value: Any) -> Mapping[Any, Any] | None:
    """Return the fields of a value that becomes an object in JSON, or None."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    if isinstance(value, SimpleNamespace) or type(value).__name__ == "Namespace":
        return dict(vars(value))
    if hasattr(value, "__attrs_attrs__"):
        return {field.name: getattr(value, field.name) for field in value.__attrs_attrs__}
    if hasattr(value, "model_dump"):
        return dict(value.model_dump())
    if hasattr(value, "get_config") and not hasattr(value, "layers"):  # a whole network is no parameter
        return {"class": type(value).__name__, **value.get_config()}
    return None


def _items_of(value: Any) -> Any | None:
    """Return a value that becomes a list in JSON, or None; reading an iterator would consume it."""
    if isinstance(value, range):
        return value if len(value) <= MAX_VALUES else None
    return value if isinstance(value, list | tuple | deque | Set) else None


def _describe(value: Any) -> str:
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        raw = bytes(value)
        return repr(raw) if len(raw) <= MAX_LISTED else f"{len(raw)} bytes, sha256 {hashlib.sha256(raw).hexdigest()}"
    name = getattr(value, "__qualname__", None)
    if isinstance(name, str):
        module = getattr(value, "__module__", None)
        return name if module in (None, "builtins", "__main__") else f"{module}.{name}"
    if type(value).__name__ == "DType" and hasattr(value, "name"):
        return str(value.name)
    return _ADDRESS.sub("", str(value))
