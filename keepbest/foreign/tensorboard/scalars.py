"""Scalars of a block of events, by the thousand: events that are laid out alike are read together.

A writer lays its events out alike: time, step and value lie at the same places behind the same bytes, and only the tag
differs. So one event of a kind is read field by field, which says where its numbers lie; all others of its length that
have the same bytes around are read as columns of a matrix. What fits no layout is read field by field.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from keepbest.foreign.tensorboard.event import BoardEvent, Form, Value, read_event
from keepbest.foreign.tensorboard.record_file import Block
from keepbest.foreign.tensorboard.tensor import find_number, read_numbers, read_tensor
from keepbest.foreign.wire import FIXED64, VARINT, WireFault, WireField, read_float

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]

#: The name of TensorBoard's part for scalars, in an event's metadata.
PLUGIN = "scalars"
#: The most layouts of one length; a file that has more is read field by field.
_MAX_LAYOUTS = 32
#: A longer event has hardly any scalar, and hardly one of its length.
_MAX_LENGTH = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Scalars:
    """Values of one tag in order of arrival: in which record of the block each lies, its step, value and time."""

    tag: str
    places: Places
    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    times: NDArray[np.float64]


@dataclass(slots=True, eq=False)
class BlockEvents:
    """What a block holds: its scalars by tag, the events with anything else by place, and how many were no events."""

    scalars: list[Scalars]
    others: list[tuple[int, BoardEvent]]
    faults: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """Where the fields of an event lie. `is_fixed` says which bytes are the same in all events of this layout."""

    template: Bytes
    is_fixed: NDArray[np.bool_]
    wall_time: WireField
    step: WireField | None
    numbers: list[tuple[WireField, WireField]]  # the tag's place and the number's


_Column = tuple[list[bytes], Places, NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]


@dataclass(slots=True)
class ScalarReader:
    """Reads block after block of one writer's events, and remembers their layouts and which part each tag is for."""

    plugins: dict[bytes, str] = field(default_factory=dict)
    _layouts: dict[int, list[_Layout]] = field(default_factory=dict)

    def read(self, block: Block) -> BlockEvents:
        """Return what the block holds."""
        columns: list[_Column] = []
        rest: list[int] = []
        data = np.frombuffer(block.data, np.uint8)
        for length in np.unique(block.lengths).tolist():
            chosen = np.flatnonzero(block.lengths == length)
            if not 0 < length <= _MAX_LENGTH or len(chosen) == 1:
                rest.extend(chosen.tolist())
                continue
            rows = data[block.starts[chosen][:, None] + np.arange(length)]
            rest.extend(self._read_alike(rows, chosen, columns))
        for tag in {tag for tags, *_ in columns for tag in tags}:
            self.plugins.setdefault(tag, PLUGIN)
        events = BlockEvents([], [])
        for place in sorted(rest):
            self._read_one(block.record(place), place, events, columns)
        events.scalars.extend(_by_tag(columns))
        return events

    def _read_alike(self, rows: Bytes, places: Places, columns: list[_Column]) -> list[int]:
        """Add the scalars of events of one length to the columns; return the places of those that fit no layout."""
        known = self._layouts.setdefault(rows.shape[1], [])
        for layout in known:
            rows, places = _take(layout, rows, places, columns)
        rest: list[int] = []
        while len(rows) and len(known) < _MAX_LAYOUTS:
            fresh = _find_layout(rows[0].tobytes())
            if fresh is None:
                rest.append(int(places[0]))
                rows, places = rows[1:], places[1:]
            else:
                known.append(fresh)
                rows, places = _take(fresh, rows, places, columns)
        return [*rest, *places.tolist()]

    def _read_one(self, data: bytes, place: int, events: BlockEvents, columns: list[_Column]) -> None:
        """Read one event field by field."""
        try:
            event = read_event(data)
            numbers = [(value, self.read_number(data, value)) for value in event.values]
        except WireFault:
            events.faults += 1
            return
        for value, number in numbers:
            if number is not None:
                tag = data[value.tag.start : value.tag.end]
                row = (np.array([event.at_step]), np.array([number]), np.array([event.seconds]))
                columns.append(([tag], np.array([place]), *row))
        if event.is_start or any(number is None for _, number in numbers):
            events.others.append((place, event))

    def read_number(self, data: bytes, value: Value) -> float | None:
        """Return a value that is a scalar; None of any other."""
        if value.payload is None or value.form not in (Form.SIMPLE, Form.TENSOR):
            return None
        if value.form is Form.SIMPLE:
            return read_float(data, value.payload)
        if self.find_plugin(data, value) != PLUGIN:
            return None
        numbers = read_numbers(data, read_tensor(data, value.payload))
        return float(numbers.flat[0]) if numbers is not None and numbers.size == 1 else None

    def find_plugin(self, data: bytes, value: Value) -> str | None:
        """Return the part of TensorBoard that a value is for, which only the first event of a tag must say."""
        tag = data[value.tag.start : value.tag.end]
        return self.plugins.get(tag) if value.plugin is None else self.plugins.setdefault(tag, value.plugin)


def _find_layout(data: bytes) -> _Layout | None:
    """Return how an event is laid out; None where it holds anything but scalars that lie in it as they are."""
    try:
        event = read_event(data)
        numbers = [(value.tag, _find_float(data, value)) for value in event.values]
    except WireFault:
        return None
    known = [(tag, number) for tag, number in numbers if number is not None]
    time, step = event.wall_time, event.step
    if not known or len(known) < len(numbers) or event.is_start or event.is_odd or time is None:
        return None
    if time.kind != FIXED64 or (step is not None and step.kind != VARINT):
        return None
    is_fixed = np.ones(len(data), np.bool_)
    for place in (time, *([step] if step else []), *(part for pair in known for part in pair)):
        is_fixed[place.start : place.end] = False
    return _Layout(np.frombuffer(data, np.uint8), is_fixed, time, step, known)


def _find_float(data: bytes, value: Value) -> WireField | None:
    if value.payload is None:
        return None
    if value.form is Form.SIMPLE:
        return value.payload if value.payload.end - value.payload.start == 4 else None
    if value.form is Form.TENSOR and value.plugin == PLUGIN:
        return find_number(read_tensor(data, value.payload))
    return None


def _take(layout: _Layout, rows: Bytes, places: Places, columns: list[_Column]) -> tuple[Bytes, Places]:
    """Add what is laid out so to the columns, and return the rest."""
    fits = _fits(layout, rows)
    if not fits.any():
        return rows, places
    columns.extend(_read_columns(layout, rows[fits], places[fits]))
    return rows[~fits], places[~fits]


def _fits(layout: _Layout, rows: Bytes) -> NDArray[np.bool_]:
    """Return which rows are laid out so: the bytes around the numbers are the same, and the step ends where it does."""
    fits: NDArray[np.bool_] = (rows[:, layout.is_fixed] == layout.template[layout.is_fixed]).all(axis=1)
    if layout.step is not None:
        step = rows[:, layout.step.start : layout.step.end]
        fits &= (step[:, :-1] > 127).all(axis=1) & (step[:, -1] < 128)
    return fits


def _read_columns(layout: _Layout, rows: Bytes, places: Places) -> Iterator[_Column]:
    times = _read_floats(rows, layout.wall_time)
    steps = np.zeros(len(rows), np.uint64)
    if layout.step is not None:
        for shift, column in enumerate(rows[:, layout.step.start : layout.step.end].T):
            steps |= (column & 127).astype(np.uint64) << np.uint64(7 * shift)
    for tag, number in layout.numbers:
        tags = np.ascontiguousarray(rows[:, tag.start : tag.end])
        yield _rows_as_bytes(tags), places, steps.view(np.int64), _read_floats(rows, number), times


def _rows_as_bytes(rows: Bytes) -> list[bytes]:
    whole, width = rows.tobytes(), rows.shape[1]
    return [whole[place * width : (place + 1) * width] for place in range(len(rows))]


def _read_floats(rows: Bytes, place: WireField) -> NDArray[np.float64]:
    form = "<f8" if place.end - place.start == 8 else "<f4"
    floats = np.ascontiguousarray(rows[:, place.start : place.end]).view(form)[:, 0]
    return floats.astype(np.float64)


def _by_tag(columns: list[_Column]) -> Iterator[Scalars]:
    """Sort the columns by tag, and within a tag by arrival."""
    if not columns:
        return
    numbers: dict[bytes, int] = {}
    codes = np.array([numbers.setdefault(tag, len(numbers)) for tags, *_ in columns for tag in tags], np.int64)
    places, steps, values, times = (np.concatenate([column[k] for column in columns]) for k in range(1, 5))
    order = np.lexsort((places, codes))
    ends = np.cumsum(np.bincount(codes))
    for tag, chosen in zip(numbers, np.split(order, ends[:-1]), strict=True):
        name = tag.decode(errors="replace")
        yield Scalars(name, places[chosen], steps[chosen], values[chosen], times[chosen])
