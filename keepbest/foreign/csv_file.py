"""A CSV file with a column of steps as a run: Keras' CSVLogger, other loggers, tables that were written by hand."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from keepbest.contract.base import MAX_WHOLE
from keepbest.contract.names import to_name
from keepbest.errors import InvalidInput, NotFound
from keepbest.foreign.foreign_run import ForeignRun, Part, Points, Resumption
from keepbest.foreign.monitor import guess_monitor
from keepbest.foreign.rows import RowPoints
from keepbest.hints import nearest

#: Columns that count, the finest first: Lightning writes step and epoch, Keras only epoch.
_STEPS = ("step", "global_step", "_step", "iteration", "iter", "batch", "epoch")
#: Columns of moments, in seconds since 1970.
_TIMES = frozenset({"wall time", "wall_time", "timestamp", "_timestamp"})
_DELIMITERS = ",;\t|"
_ABSENT = frozenset({"", "na", "n/a", "none", "null", "-"})
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")
MAX_COLUMNS = 10_000
_SAMPLE = 2**16
_MAX_NAMES = 20


def read_csv_file(path: Path, step: str | None = None) -> Iterator[ForeignRun]:
    """Yield the run that a CSV file holds. `step` names the column of steps, which is found by its name otherwise.

    Where the steps begin again, a training was appended to the file: it becomes a segment. Raises NotFound if there is
    no such file, InvalidInput if it is no table with a column of steps.
    """
    if not path.is_file():
        raise NotFound(f"There is no file {path}.", hint="Name a CSV file.")
    table = _CsvTable(path, step)
    guess = guess_monitor(dict.fromkeys(part.key for part in table.read_parts() if isinstance(part, Points)))
    yield ForeignRun(
        "csv",
        str(path.resolve()),
        name=to_name(path.stem) or "run",
        place=str(path),
        parts=table.read_parts,
        monitor=guess[0] if guess else None,
        mode=guess[1] if guess else None,
        is_guessed=guess is not None,
        left_out=table.say_missing,
    )


class _Columns(NamedTuple):
    """The places of the columns: of steps, of moments if there is one, and of each metric by place."""

    step: int
    time: int | None
    keys: dict[int, str]


class _Row(NamedTuple):
    step: int
    at: float
    numbers: dict[int, float]


@dataclass
class _CsvTable:
    path: Path
    step: str | None
    missing: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @cached_property
    def sample(self) -> str:
        """The beginning of the file."""
        with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            return file.read(_SAMPLE)

    @cached_property
    def delimiter(self) -> str:
        """What stands between the columns of the first line."""
        line = next(iter(self.sample.splitlines()), "")
        return max(_DELIMITERS, key=line.count)

    @cached_property
    def header(self) -> list[str]:
        """The names of the columns."""
        try:
            return next(csv.reader(self.sample.splitlines()[:1], delimiter=self.delimiter), [])
        except csv.Error as error:
            raise InvalidInput(f"{self.path} is no CSV file: {error}.") from None

    @cached_property
    def columns(self) -> _Columns:
        """The columns; raises InvalidInput where none holds the steps."""
        if not self.header or len(self.header) > MAX_COLUMNS:
            raise InvalidInput(f"{self.path} has {len(self.header):,} columns: 2 to {MAX_COLUMNS:,} are read.")
        names = [name.strip() for name in self.header]
        place = self._find_step(names)
        time = next((number for number, name in enumerate(names) if name.lower() in _TIMES), None)
        keys = {number: name for number, name in enumerate(names) if number not in (place, time) and name}
        if [name.lower() for name in keys.values()] == ["value"]:  # what TensorBoard's page lets people download
            keys = dict.fromkeys(keys, self.path.stem)
        return _Columns(place, time, keys)

    def _find_step(self, names: Sequence[str]) -> int:
        shown = ", ".join(names[:_MAX_NAMES])[:100]
        if self.step is not None:
            if self.step in names:
                return names.index(self.step)
            hint = nearest(self.step, names[:_MAX_NAMES])
            raise InvalidInput(f"{self.path} has no column {self.step!r}.", field="step", hint=hint)
        lower = [name.lower() for name in names]
        place = next((lower.index(name) for name in _STEPS if name in lower), None)
        if place is None:
            message = f"No column of {self.path} is named as steps are: {shown}."
            raise InvalidInput(message, field="step", hint="--step NAME says which one counts them.")
        return place

    def read_parts(self) -> Iterator[Part]:
        """Yield the values, and a Resumption where the steps begin again."""
        self.missing.clear()
        self.faults.clear()
        points, last = RowPoints(), _Row(-1, 0.0, {})
        for row in self._read_rows():
            beside = last.numbers if row.step == last.step else {}
            fresh = {place: number for place, number in row.numbers.items() if beside.get(place) != number}
            if row.step < last.step or fresh.keys() & beside:
                yield from points.take_all()
                yield Resumption(row.at)
                beside, fresh = {}, row.numbers
            last = _Row(row.step, row.at, {**beside, **fresh})
            for place, number in fresh.items():
                points.add(self.columns.keys[place], row.step, number, row.at)
            yield from points.take_full()
        yield from points.take_all()

    def _read_rows(self) -> Iterator[_Row]:
        columns, written = self.columns, self.path.stat().st_mtime
        for cells in self._read_cells():
            if len(cells) != len(self.header):
                self.missing[f"lines that have not {len(self.header):,} columns."] += bool(cells)
                continue
            step = _read_number(cells[columns.step], self.delimiter)
            if step is None or not step.is_integer() or not 0 <= step <= MAX_WHOLE:
                self.missing["lines whose step is no whole number."] += cells != self.header
                continue
            at = written if columns.time is None else _read_number(cells[columns.time], self.delimiter)
            yield _Row(int(step), written if at is None else at, self._read_numbers(cells))

    def _read_cells(self) -> Iterator[list[str]]:
        """Yield the lines behind the first, up to one that is none of a CSV file."""
        with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.reader(file, delimiter=self.delimiter)
            try:
                yield from islice(reader, 1, None)
            except csv.Error as error:
                self.faults.append(f"Line {reader.line_num:,} and what follows: {error}.")

    def _read_numbers(self, cells: Sequence[str]) -> dict[int, float]:
        numbers = {}
        for place, name in self.columns.keys.items():
            text = cells[place].strip()
            if text.lower() in _ABSENT:
                continue
            number = _read_number(text, self.delimiter)
            if number is None:
                self.missing[f"values of {name[:100]!r} that are no numbers."] += 1
            else:
                numbers[place] = number
        return numbers

    def say_missing(self) -> Sequence[str]:
        """Return in words what was left out, and why."""
        return [*self.faults, *(f"{count:,} {what}" for what, count in self.missing.items() if count)]


def _read_number(text: str, delimiter: str) -> float | None:
    """Return a number; with another delimiter than a comma, a comma may stand for the point."""
    if delimiter != "," and _DECIMAL_COMMA.fullmatch(text.strip()):
        text = text.replace(",", ".")
    try:
        number = float(text)
    except ValueError:
        return None
    return None if "_" in text and math.isfinite(number) else number
