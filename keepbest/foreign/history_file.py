"""The history of a Keras `fit` in a JSON file as a run: a dict of lists, alone or as `history` beside `params`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keepbest.contract.base import MAX_WHOLE, Scalar
from keepbest.contract.names import to_name
from keepbest.errors import InvalidInput, NotFound, TooLarge
from keepbest.foreign.foreign_run import ForeignRun, Part, Points, Resumption
from keepbest.foreign.monitor import guess_monitor

#: A history is small; JSON takes ten times its size in memory.
MAX_BYTES = 100 * 2**20
_HINT = 'Write it with json.dump(history.history, file), or {"history": history.history, "params": history.params}.'


def read_history_file(path: Path) -> Iterator[ForeignRun]:
    """Yield the run that a JSON file holds; NaN and Infinity may stand in it, as Python writes them.

    The steps are the epochs, from 0, unless a list `epoch` of the same length says others. Raises NotFound if there is
    no such file, InvalidInput if it holds no history.
    """
    if not path.is_file():
        raise NotFound(f"There is no file {path}.", hint="Name a JSON file.")
    curves, parameters = _read(path)
    no_numbers = [key for key, values in curves.items() if _as_array(values) is None]
    guess = guess_monitor(key for key in curves if key not in no_numbers)
    yield ForeignRun(
        "json",
        str(path.resolve()),
        name=to_name(path.stem) or "run",
        place=str(path),
        parts=_HistoryParts(path).read_parts,
        parameters=parameters,
        monitor=guess[0] if guess else None,
        mode=guess[1] if guess else None,
        is_guessed=guess is not None,
        left_out=lambda: [f"{key[:100]!r}: not every value is a number." for key in no_numbers],
    )


@dataclass(frozen=True)
class _HistoryParts:
    path: Path

    def read_parts(self) -> Iterator[Part]:
        """Yield the curves, epoch for epoch beside each other; a Resumption where the epochs begin again."""
        curves, _ = _read(self.path)
        written = self.path.stat().st_mtime
        epochs = _as_array(curves.pop("epoch", []))
        columns = {key: values for key, listed in curves.items() if (values := _as_array(listed)) is not None}
        for start, end in _find_pieces(epochs):
            if start:
                yield Resumption(written)
            for key, values in columns.items():
                chosen = slice(start, None) if end is None else slice(start, end)
                piece = values[chosen]
                if len(piece):
                    steps = _find_steps(epochs, len(values))[chosen]
                    yield Points(key, steps, piece, np.full(len(piece), written))


def _find_steps(epochs: Any, count: int) -> Any:
    is_counted = epochs is not None and len(epochs) == count and _are_steps(epochs)
    return epochs.astype(np.int64) if is_counted else np.arange(count)


def _find_pieces(epochs: Any) -> list[tuple[int, int | None]]:
    """Return where each training begins and ends in the lists."""
    if epochs is None or not len(epochs) or not _are_steps(epochs):
        return [(0, None)]
    begins = [0, *(np.flatnonzero(np.diff(epochs) <= 0) + 1).tolist()]
    return list(zip(begins, [*begins[1:], None], strict=True))


def _are_steps(epochs: Any) -> bool:
    return bool(np.all((epochs >= 0) & (epochs <= MAX_WHOLE) & (epochs == np.floor(epochs))))


def _read(path: Path) -> tuple[dict[str, list[Any]], dict[str, Scalar]]:
    """Return the lists by key and the parameters."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise TooLarge(f"{path} has {size:,} bytes, over {MAX_BYTES:,}.", hint="A CSV file may be larger.")
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is no JSON: {str(error)[:100]}.", hint=_HINT) from None
    given = document if isinstance(document, dict) else {}
    inner = given.get("history")
    history: Mapping[str, Any] = inner if isinstance(inner, dict) else given
    curves = {key: values for key, values in history.items() if isinstance(values, list) and values}
    if not curves:
        raise InvalidInput(f"{path} holds no history: no key has a list of numbers.", hint=_HINT)
    if history is inner and isinstance(given.get("epoch"), list):
        curves.setdefault("epoch", given["epoch"])
    params = given.get("params") if history is inner else None
    return curves, {key: value for key, value in _items(params) if isinstance(value, str | int | float | None)}


def _items(params: Any) -> Iterator[tuple[str, Any]]:
    yield from params.items() if isinstance(params, dict) else ()


def _as_array(values: Sequence[Any]) -> Any:
    """Return a list of numbers as float64; None where one is no number."""
    if not all(isinstance(value, int | float) for value in values):
        return None
    try:
        return np.array([float(value) for value in values], np.float64)
    except OverflowError:
        return None
