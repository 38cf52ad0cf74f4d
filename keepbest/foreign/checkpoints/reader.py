"""Reads a folder of ModelCheckpoint as one run: a validation for each file, or for each line of a CSVLogger.

The files become artifacts, since keepbest's own checkpoints hold more than weights; a table ties each to its epoch.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from keepbest.errors import InvalidInput
from keepbest.foreign.checkpoints.pattern import EPOCH, NamePattern
from keepbest.foreign.checkpoints.whole import find_fault, find_missing, split_prefix
from keepbest.foreign.foreign_run import ForeignFile, ForeignRun, Part, Points
from keepbest.foreign.mlflow.folders import open_plain, read_text, walk_files
from keepbest.stopping import choose_monitor, find_mode, is_better

#: The table of all files, and the tags that name the best and the last.
TABLE, BEST, LAST = "checkpoints.csv", "checkpoint.best", "checkpoint.last"
_MAX_LOG, _MAX_EPOCH = 2**26, 2**40
_KEPT = (
    "the states of an optimizer as checkpoints of keepbest: the files are artifacts, which "
    "`keepbest artifacts get` fetches and Keras loads"
)


@dataclass
class SavedCheckpoint:
    """One checkpoint: its files by name with their sizes, its epoch, what its name says, when it was written."""

    name: str
    epoch: int
    values: Mapping[str, float]
    at: float
    files: dict[str, tuple[Path, int]] = field(default_factory=dict)


def read_checkpoints(folder: Path, pattern: str, log: Path | None = None) -> ForeignRun:
    """Return the run that a folder of checkpoints is.

    Args:
        folder: Where the files lie; links are not followed.
        pattern: How ModelCheckpoint named them, such as `{epoch:02d}-{val_loss:.2f}.keras`.
        log: A file of CSVLogger, whose values replace those in the names. Its first epoch is 0, and 1 in names.

    Raises InvalidInput for a folder without such files, and for a log that cannot be read.
    """
    names, remarks = NamePattern(pattern), list[str]()
    if not folder.is_dir():
        raise InvalidInput(f"There is no folder {folder}.", field="source")
    kept = _find_files(folder, names, remarks)
    if not kept:
        hint = f"It looks for names like {pattern}; --pattern says another form."
        raise InvalidInput(f"{folder} has no whole checkpoint of this pattern.", field="source", hint=hint)
    rows = {each.epoch: each.values for each in kept} | ({} if log is None else _read_log(log, remarks))
    usual = choose_monitor({key: None for values in rows.values() for key in values})
    monitor = usual or _only(names.metrics)
    return ForeignRun(
        kind="checkpoints",
        source=str(folder.resolve()),
        name=folder.resolve().name,
        parts=lambda: _read_parts(kept, rows),
        tags=_mark(kept, rows, monitor),
        monitor=None if usual else monitor,
        place=str(folder),
        left_out=lambda: [*remarks, _KEPT],
    )


def _find_files(folder: Path, names: NamePattern, remarks: list[str]) -> list[SavedCheckpoint]:
    """Return the whole checkpoints by epoch."""
    kept: dict[str, SavedCheckpoint] = {}
    for name, path, size in walk_files(folder, remarks.append):
        prefix = split_prefix(name)
        values = names.read(prefix or name) or (names.read(name) if prefix else None)
        if values is None or values[EPOCH] > _MAX_EPOCH:
            continue
        fault = None if prefix else find_fault(name, path, size)
        if fault is not None:
            remarks.append(f"{name}: {fault}")
            continue
        own = {key: value for key, value in values.items() if key != EPOCH}
        known = kept.setdefault(prefix or name, SavedCheckpoint(prefix or name, int(values[EPOCH]), own, 0.0))
        known.files[name] = (path, size)
        known.at = max(known.at, path.stat(follow_symlinks=False).st_mtime)
    return sorted(_leave_torn_out(kept, remarks), key=lambda each: (each.epoch, each.name))


def _leave_torn_out(kept: Mapping[str, SavedCheckpoint], remarks: list[str]) -> Iterator[SavedCheckpoint]:
    for name, each in kept.items():
        is_pair = any(split_prefix(file) == name for file in each.files)
        missing = find_missing({file: size for file, (_, size) in each.files.items()}, name) if is_pair else None
        if missing is None:
            yield each
        else:
            remarks.append(f"{name}: a torn checkpoint, {missing} is missing or empty")


def _read_log(log: Path, remarks: list[str]) -> dict[int, Mapping[str, float]]:
    """Return the values of each line of a CSVLogger by its epoch as ModelCheckpoint counts, from 1."""
    try:
        lines = csv.DictReader(io.StringIO(read_text(log, _MAX_LOG)))
        if EPOCH not in (lines.fieldnames or ()):
            raise InvalidInput(f"{log} has no column epoch.", field="log", hint="Name the file of a CSVLogger.")
        rows: dict[int, Mapping[str, float]] = {}
        for line in lines:
            numbers = {str(key): number for key, text in line.items() if (number := _to_number(text)) is not None}
            epoch = numbers.pop(EPOCH, -1.0)
            if 0 <= epoch <= _MAX_EPOCH:
                rows[int(epoch) + 1] = numbers
            else:
                remarks.append(f"a line of {log.name} without an epoch")
    except (OSError, csv.Error) as error:
        raise InvalidInput(f"{log} cannot be read: {error}.", field="log") from None
    return rows


def _read_parts(kept: Sequence[SavedCheckpoint], rows: Mapping[int, Mapping[str, float]]) -> Iterator[Part]:
    epochs = sorted(rows)
    written = {each.epoch: each.at for each in kept}
    first = min(written.values())
    times = np.maximum.accumulate([written.get(epoch, first) for epoch in epochs])
    for key in dict.fromkeys(key for epoch in epochs for key in rows[epoch]):
        chosen = [place for place, epoch in enumerate(epochs) if key in rows[epoch]]
        values = np.array([rows[epochs[place]][key] for place in chosen], float)
        yield Points(key, np.array([epochs[place] for place in chosen], np.int64), values, times[chosen])
    table = _write_table(kept, rows)
    yield ForeignFile(TABLE, len(table), lambda: io.BytesIO(table))
    for each in kept:
        for name, (path, size) in sorted(each.files.items()):
            yield ForeignFile(name, size, _opener(path))


def _opener(path: Path) -> _Opener:
    return _Opener(path)


@dataclass(frozen=True)
class _Opener:
    path: Path

    def __call__(self) -> BinaryIO:
        return open_plain(self.path)


def _write_table(kept: Sequence[SavedCheckpoint], rows: Mapping[int, Mapping[str, float]]) -> bytes:
    """Return the table of all files with their epochs and values."""
    keys = list(dict.fromkeys(key for each in kept for key in rows[each.epoch]))
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(["checkpoint", EPOCH, *keys])
    for each in kept:
        lines.writerow([each.name, each.epoch, *(rows[each.epoch].get(key, "") for key in keys)])
    return out.getvalue().encode()


def _mark(
    kept: Sequence[SavedCheckpoint], rows: Mapping[int, Mapping[str, float]], monitor: str | None
) -> dict[str, str]:
    """Return the tags that name the last file, and the best where it is known which way the monitor gets better."""
    marks, mode = {LAST: kept[-1].name}, None if monitor is None else find_mode(monitor)
    if monitor is None or mode is None:
        return marks
    best: float | None = None
    for each in kept:
        value = rows[each.epoch].get(monitor)
        if is_better(value, best, mode):
            marks, best = {**marks, BEST: each.name}, value
    return marks


def _only(names: Sequence[str]) -> str | None:
    return names[0] if len(names) == 1 else None


def _to_number(text: object) -> float | None:
    try:
        return float(text) if isinstance(text, str) else None
    except ValueError:
        return None
