"""One event of an event file: when, at which step, and the values that it holds, each where it lies in the record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from keepbest.foreign.wire import WireField, read_bytes, read_fields, read_float, read_text, read_whole


class Form(IntEnum):
    """How a value is written: the numbers of the fields of `Summary.Value`."""

    SIMPLE = 2
    IMAGE = 4
    HISTOGRAM = 5
    AUDIO = 6
    TENSOR = 8


WALL_TIME, STEP, SUMMARY, SESSION_LOG = 1, 2, 5, 7
_VALUE, _TAG, _METADATA = 1, 1, 9
_PLUGIN, _PLUGIN_NAME, _PLUGIN_CONTENT = 1, 1, 2
_STATUS, _START = 1, 1
_FORMS = {form.value for form in Form}


@dataclass(frozen=True, slots=True)
class Value:
    """A named value. `plugin` is the part of TensorBoard that it is for, and `content` what that part wants to know.

    Some values have metadata and nothing else: no form, no payload.
    """

    tag: WireField
    form: Form | None = None
    payload: WireField | None = None
    plugin: str | None = None
    content: bytes = b""


@dataclass(slots=True)
class BoardEvent:
    """An event of `data`. `is_start` says that a writer began, or began anew, at this step."""

    data: bytes
    wall_time: WireField | None = None
    step: WireField | None = None
    values: list[Value] = field(default_factory=list)
    is_start: bool = False
    #: Whether a field that may come once came twice.
    is_odd: bool = False

    @property
    def seconds(self) -> float:
        """The moment, in seconds since 1970; 0 if the event has none."""
        return read_float(self.data, self.wall_time) if self.wall_time else 0.0

    @property
    def at_step(self) -> int:
        """The step; 0 is not written."""
        return read_whole(self.data, self.step) if self.step else 0

    def read_tag(self, value: Value) -> str:
        """Return the name of a value."""
        return read_text(self.data, value.tag)


def read_event(data: bytes) -> BoardEvent:
    """Return the event in a record; raises WireFault if there is none.

    Example:
        >>> from keepbest.foreign.wire import write_field, write_single
        >>> value = write_field(1, "loss") + write_single(2, 0.5)
        >>> event = read_event(write_field(1, 9.0) + write_field(2, 3) + write_field(5, write_field(1, value)))
        >>> event.seconds, event.at_step, event.read_tag(event.values[0])
        (9.0, 3, 'loss')
    """
    event = BoardEvent(data)
    for inner in read_fields(data):
        if inner.number == WALL_TIME:
            event.is_odd |= event.wall_time is not None
            event.wall_time = inner
        elif inner.number == STEP:
            event.is_odd |= event.step is not None
            event.step = inner
        elif inner.number == SUMMARY:
            event.values.extend(_read_values(data, inner))
        elif inner.number == SESSION_LOG:
            event.is_start |= _is_start(data, inner)
    return event


def _read_values(data: bytes, summary: WireField) -> Iterator[Value]:
    for inner in read_fields(data, summary.start, summary.end):
        if inner.number == _VALUE and (value := _read_value(data, inner)) is not None:
            yield value


def _read_value(data: bytes, place: WireField) -> Value | None:
    """Return a value; None of one without a name."""
    tag = payload = plugin = None
    content = b""
    for inner in read_fields(data, place.start, place.end):
        if inner.number == _TAG:
            tag = inner
        elif inner.number == _METADATA:
            plugin, content = _read_metadata(data, inner)
        elif inner.number in _FORMS:
            payload = inner
    if tag is None:
        return None
    return Value(tag, Form(payload.number) if payload else None, payload, plugin, content)


def _read_metadata(data: bytes, place: WireField) -> tuple[str | None, bytes]:
    name, content = None, b""
    for inner in read_fields(data, place.start, place.end):
        if inner.number == _PLUGIN:
            for part in read_fields(data, inner.start, inner.end):
                if part.number == _PLUGIN_NAME:
                    name = read_text(data, part)
                elif part.number == _PLUGIN_CONTENT:
                    content = read_bytes(data, part)
    return name, content


def _is_start(data: bytes, place: WireField) -> bool:
    status = [read_whole(data, inner) for inner in read_fields(data, place.start, place.end) if inner.number == _STATUS]
    return status[-1:] == [_START]
