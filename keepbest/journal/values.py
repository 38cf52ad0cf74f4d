"""Makes a script's values fit for the wire: numbers, keys, steps, errors."""

from __future__ import annotations

import logging
import math
import operator
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, overload

from keepbest.contract.names import to_name
from keepbest.contract.runs import RunError
from keepbest.errors import InvalidInput, KeepbestError

MAX_STEP = 2**53
MAX_MESSAGE = 2_000
MAX_TRACEBACK = 20_000

_log = logging.getLogger("keepbest")


@overload
def to_number(value: None) -> None: ...
@overload
def to_number(value: Any) -> float: ...
def to_number(value: Any) -> float | None:
    """Return a number as a float, also a NumPy scalar or an array or tensor of one number; anything else is NaN."""
    if value is None:
        return None
    number = find_number(value)
    return float("nan") if number is None else number


def check_one(value: Any) -> None:
    """Raise InvalidInput for an array of several numbers: the stopper judges one."""
    shape = getattr(value, "shape", ())
    if math.prod(shape) != 1:
        message = f"The value of a validation is one number, but got an array of shape {tuple(shape)}."
        raise InvalidInput(message, field="value", hint="Give one of the numbers, or their mean.")


def clean(text: str) -> str:
    """Return text that UTF-8 can carry and a database can keep: without lone surrogates and without NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def nearest_name(what: str, text: str | None) -> str | None:
    """Return a script's name as it can be kept, with a warning if that changes it; None for no name or an empty one."""
    name = to_name(text) if text is not None else None
    if name != text:
        _log.warning("keepbest: %s %.200r is kept as %r.", what, text, name)
    return name or None


def check_step(step: object) -> int:
    """Return a step as an int, or raise InvalidInput."""
    try:
        whole = operator.index(step)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidInput(f"A step is a whole number, but got {step!r}.", field="step") from None
    if not 0 <= whole <= MAX_STEP:
        raise InvalidInput(f"A step lies between 0 and 2**53, but got {whole}.", field="step")
    return whole


def check_keys(metrics: Mapping[Any, Any], room: int) -> list[str]:
    """Return the keys that can be metrics: texts with a number as value, at most `room`. Warn about every other key."""
    usable: list[str] = []
    for key, value in metrics.items():
        problem = _problem(key, value) if len(usable) < room else "there are too many metrics"
        if problem is None:
            usable.append(key)
        else:
            _log.warning("keepbest: metric %.200r is left out: %s.", key, problem)
    return usable


def describe_error(error: BaseException) -> RunError:
    """Return an error as the run's page shows it."""
    known = error if isinstance(error, KeepbestError) else None
    trace = "".join(traceback.format_exception(error))
    return RunError(
        code=known.code if known else "code_failed",
        message=clean(known.message if known else f"{type(error).__name__}: {error}")[:MAX_MESSAGE],
        hint=known.hint if known else None,
        traceback=clean(trace)[-MAX_TRACEBACK:],
    )


def _problem(key: object, value: Any) -> str | None:
    if not isinstance(key, str) or not key:
        return "a name is text"
    return f"{value!r:.100} is not a number" if find_number(value) is None else None


def find_number(value: Any) -> float | None:
    """Return a value as a float, or None where it is no number, or several."""
    with suppress(TypeError, ValueError, OverflowError):
        return float(value)
    shape = getattr(value, "shape", None)
    if shape and math.prod(shape) == 1:
        with suppress(TypeError, ValueError, OverflowError, AttributeError):
            return float((value.numpy() if hasattr(value, "numpy") else value).item())
    return None
