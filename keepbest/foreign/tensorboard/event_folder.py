"""The event files of one folder, in the order of their names, as TensorBoard reads them: one writer after the other.

A script that began anew writes another file. Where its steps begin again, or where it says so by a START, the run went
on from an earlier step: a `Resumption`, which opens a segment. TensorBoard's loader in Rust forgets the branch that was
left in both cases; the one in Python forgets what a START takes back, but not at the first START of a folder.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np

from keepbest.contract.base import MAX_WHOLE
from keepbest.contract.names import to_word
from keepbest.foreign.foreign_run import ForeignFile, Part, Points, Resumption
from keepbest.foreign.tensorboard import hparams
from keepbest.foreign.tensorboard.event import BoardEvent, Form, Value
from keepbest.foreign.tensorboard.media import read_files
from keepbest.foreign.tensorboard.record_file import RecordFile
from keepbest.foreign.tensorboard.scalars import BlockEvents, ScalarReader, Scalars
from keepbest.foreign.tensorboard.tally import MAX_FILES, Tally
from keepbest.foreign.wire import WireFault

#: A part and its moment, in seconds since 1970.
Timed = tuple[float, Part]
#: What makes the name of an event file, for TensorBoard too.
MARK = "tfevents"
#: Moments lie between these, the second at the end of the year 2998.
_FIRST, _LAST = 0.0, 32_472_143_999.0
_MISSING = {Form.HISTOGRAM: "histograms", Form.AUDIO: "sounds", Form.TENSOR: "tensors"}
_WHY = {"histograms": "histograms: they are no artifacts.", "sounds": "sounds: they are no artifacts."}


def find_files(folder: Path) -> list[Path]:
    """Return a folder's event files, in the order of their names; none of a folder that is gone."""
    try:
        return sorted(path for path in folder.iterdir() if MARK in path.name and path.is_file())
    except OSError:
        return []


@dataclass(slots=True)
class _Progress:
    """The last step of each tag, and which tags the present file has had."""

    last: dict[str, int] = field(default_factory=dict)
    in_file: set[str] = field(default_factory=set)
    is_resumed: bool = True  # the first file goes on from nothing

    def begin_file(self) -> None:
        self.in_file, self.is_resumed = set(), not self.last

    def take_back(self, step: int) -> bool:
        """Forget what was reported from this step on; return whether there was anything."""
        later = [tag for tag, last in self.last.items() if last >= step]
        self.last.update(dict.fromkeys(later, step - 1))
        return bool(later)

    def find_resumption(self, scalars: Sequence[Scalars]) -> float | None:
        """Return the moment at which this file begins at steps that files before it had; None if it does not."""
        again = [
            column
            for column in scalars
            if column.tag not in self.in_file and column.steps[0] <= self.last.get(column.tag, -1)
        ]
        self.in_file.update(column.tag for column in scalars)
        self.last.update((column.tag, int(column.steps[-1])) for column in scalars)
        if self.is_resumed or not again:
            return None
        self.is_resumed = True
        return min(float(column.times[0]) for column in again)


@dataclass(slots=True)
class EventFolder:
    """Reads one folder from its beginning. `name_key` says which metric of the run a tag of this folder is."""

    path: Path
    name_key: Callable[[str], str]

    def read(self, tally: Tally) -> Iterator[list[Timed]]:
        """Yield what the files hold, some of it at a time, in order of arrival; say in `tally` what was seen."""
        reader, progress = ScalarReader(), _Progress()
        for path in find_files(self.path):
            records = RecordFile(path)
            progress.begin_file()
            try:
                for block in records.read():
                    events = reader.read(block)
                    tally.missing["events that cannot be read."] += events.faults
                    yield from self._read_block(events, reader, progress, tally)
            except OSError as error:
                tally.faults.append(f"{path}: {error.strerror or error}.")
            tally.faults.extend(records.faults)
            if records.unread and not records.faults:
                tally.faults.append(f"{path}: ends in the middle of an event; {records.unread:,} bytes are left out.")
        tally.missing = +tally.missing  # without zeros

    def _read_block(
        self, events: BlockEvents, reader: ScalarReader, progress: _Progress, tally: Tally
    ) -> Iterator[list[Timed]]:
        """Yield what lies ahead of each START of a writer, and what lies behind the last."""
        starts = [(place, event) for place, event in events.others if event.is_start]
        begin, others = -1, deque(events.others)
        for end, start in [*starts, (np.iinfo(np.int64).max, None)]:
            scalars = [part for column in events.scalars if len((part := _cut(column, begin, end, tally)).steps)]
            parts: list[Timed] = []
            if (at := progress.find_resumption(scalars)) is not None:
                parts.append((at, Resumption(at)))
            parts.extend(self._show_points(scalars, tally))
            while others and others[0][0] <= end:
                parts.extend(_read_others(others.popleft()[1], reader, tally))
            if start is not None and progress.take_back(start.at_step):
                progress.is_resumed = True
                at = _clean_time(start.seconds)
                parts.append((at, Resumption(at)))
            yield parts
            begin = int(end)

    def _show_points(self, scalars: Sequence[Scalars], tally: Tally) -> Iterator[Timed]:
        for column in scalars:
            key = to_word(self.name_key(column.tag))
            if not key or not tally.admits(key):
                tally.missing["values of metrics without a name, or of too many metrics."] += len(column.steps)
                continue
            points = Points(key, column.steps, column.values, column.times)
            tally.add(points)
            yield float(column.times[0]), points


def _cut(scalars: Scalars, begin: int, end: int, tally: Tally) -> Scalars:
    """Return what lies between two places of the block, without steps that no run has, and with moments that are."""
    chosen = slice(*np.searchsorted(scalars.places, (begin, end), side="right"))
    steps = scalars.steps[chosen]
    is_step = (steps >= 0) & (steps <= MAX_WHOLE)
    tally.missing["values at steps below 0, or too large."] += int(len(steps) - is_step.sum())
    times = np.nan_to_num(scalars.times[chosen][is_step], nan=_FIRST).clip(_FIRST, _LAST)
    return replace(
        scalars,
        places=scalars.places[chosen][is_step],
        steps=steps[is_step],
        values=scalars.values[chosen][is_step],
        times=times,
    )


def _clean_time(seconds: float) -> float:
    return float(np.nan_to_num(seconds, nan=_FIRST).clip(_FIRST, _LAST))


def _read_others(event: BoardEvent, reader: ScalarReader, tally: Tally) -> Iterator[Timed]:
    """Yield an event's texts and images, take in its hyperparameters, and count what is left out."""
    for value in event.values:
        try:
            yield from _read_other(event, value, reader, tally)
        except WireFault:
            tally.missing["values that cannot be read."] += 1


def _read_other(event: BoardEvent, value: Value, reader: ScalarReader, tally: Tally) -> Iterator[Timed]:
    plugin = reader.find_plugin(event.data, value)
    if plugin == hparams.PLUGIN:
        tally.session.add(value.content)
        return
    files = read_files(event, value, plugin)
    if files is None:
        if value.form is not None and reader.read_number(event.data, value) is None:
            what = "histograms" if plugin == "histograms" else _MISSING.get(value.form, "values")
            tally.missing[_WHY.get(what, f"{what} for {_say_part(plugin)} of TensorBoard.")] += 1
        return
    for path, content in files:
        tally.files += 1
        if tally.files > MAX_FILES:
            tally.missing[f"texts and images beyond {MAX_FILES:,}."] += 1
            continue
        yield _clean_time(event.seconds), ForeignFile(path, len(content), partial(BytesIO, content))


def _say_part(plugin: str | None) -> str:
    return f"the part {to_word(plugin, 50)}" if plugin else "no part"
