"""The records of a `.wandb` file as plain values: what the run was asked, what it logged, how it ended."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from keepbest.foreign.wire import (
    FIXED64,
    VARINT,
    WireField,
    read_fields,
    read_float,
    read_text,
    read_varint,
    read_whole,
)

HISTORY, SUMMARY, CONFIG, FILES, STATS, METRIC, RUN, EXIT, ENVIRONMENT = 2, 3, 5, 6, 7, 12, 17, 18, 26
#: More bytes are no setting and no value of a summary.
_MAX_JSON = 2**20
_KEY, _NESTED_KEY, _JSON = 1, 2, 16
_BOOLEAN, _INTEGER, _NUMBER, _TEXT = 4, 5, 6, 7
_WORDS = {"true": 1.0, "false": 0.0, '"NaN"': math.nan, '"Infinity"': math.inf, '"-Infinity"': -math.inf}
_NUMERIC = frozenset("-0123456789NI")


@dataclass(frozen=True, slots=True)
class WandbRecord:
    """One record: its kind, and where its message lies in the bytes."""

    kind: int
    data: bytes
    place: WireField

    def fields(self) -> Iterator[WireField]:
        """Yield the fields of the message."""
        return read_fields(self.data, self.place.start, self.place.end)

    def texts(self) -> dict[int, str]:
        """Return the fields that are texts, by number, the last of each."""
        return {inner.number: read_text(self.data, inner) for inner in self.fields() if inner.kind == 2}


@dataclass(slots=True)
class MetricRule:
    """What `define_metric` says: the axis of a metric, and which of its values is the summary."""

    name: str = ""
    glob: str = ""
    step_metric: str | None = None
    mode: str | None = None


def read_record(data: bytes) -> WandbRecord | None:
    """Return what a record holds; None of one of a kind that says nothing here; raises WireFault where it is none."""
    kinds = {HISTORY, SUMMARY, CONFIG, FILES, STATS, METRIC, RUN, EXIT, ENVIRONMENT}
    for inner in read_fields(data):
        if inner.number in kinds:
            return WandbRecord(inner.number, data, inner)
    return None


def read_numbers(record: WandbRecord) -> tuple[int | None, dict[str, float], dict[str, str]]:
    """Return a history record's step, its numbers by key, and of what is no number the beginning of its JSON.

    W&B writes NaN and Infinity as they are, which JSON has no word for.
    """
    step: int | None = None
    numbers, others = dict[str, float](), dict[str, str]()
    for inner in record.fields():
        if inner.number == 1:
            key, number, text = _read_item(record.data, inner)
            if number is None:
                others[key] = text
            else:
                numbers[key] = number
        elif inner.number == 2:
            steps = [read_whole(record.data, part) for part in read_fields(record.data, inner.start, inner.end)]
            step = steps[-1] if steps else 0
    return step, numbers, others


def _read_item(data: bytes, place: WireField) -> tuple[str, float | None, str]:
    key, nested, number, text = "", list[str](), None, ""
    for inner in read_fields(data, place.start, place.end):
        if inner.number == _KEY:
            key = read_text(data, inner)
        elif inner.number == _NESTED_KEY:
            nested.append(read_text(data, inner))
        elif inner.number == _JSON:
            text = read_text(data, WireField(_JSON, inner.kind, inner.start, min(inner.end, inner.start + 100)))
            number = read_number(text) if inner.end - inner.start < 100 else None
        elif inner.number == _NUMBER and inner.kind == FIXED64:
            number = read_float(data, inner)
        elif inner.number in (_BOOLEAN, _INTEGER) and inner.kind == VARINT:
            whole = read_varint(data, inner.start, inner.end)[0]
            number = float(whole if inner.number == _BOOLEAN else whole >> 1 ^ -(whole & 1))
    return ".".join(nested) or key, number, text


def read_number(text: str) -> float | None:
    """Return what a number in W&B's JSON means; None of anything else.

    Example:
        >>> read_number("0.5"), read_number("NaN"), read_number("true"), read_number('"words"')
        (0.5, nan, 1.0, None)
    """
    if text[:1] in _NUMERIC and "_" not in text:
        try:
            return float(text)
        except ValueError:
            return None
    return _WORDS.get(text)


def read_items(data: bytes, place: WireField) -> Iterator[tuple[str, Any]]:
    """Yield key and value of each update of a config or a summary; what is no JSON is left out."""
    for inner in read_fields(data, place.start, place.end):
        if inner.number == 1:
            key, nested, value = "", list[str](), None
            for part in read_fields(data, inner.start, inner.end):
                if part.number == _KEY:
                    key = read_text(data, part)
                elif part.number == _NESTED_KEY:
                    nested.append(read_text(data, part))
                elif part.number == _JSON:
                    value = _read_json(data, part)
            if value is not _NONE:
                yield ".".join(nested) or key, value


_NONE = object()


def _read_json(data: bytes, place: WireField) -> Any:
    if place.end - place.start > _MAX_JSON:
        return _NONE
    try:
        return json.loads(read_text(data, place))
    except (ValueError, RecursionError):
        return _NONE


def flatten(key: str, value: Any, *, depth: int = 10) -> Iterator[tuple[str, Any]]:
    """Yield the plain values of a nested one, each by its path with dots; a list stays JSON, as what is too deep.

    Example:
        >>> dict(flatten("opt", {"name": "adam", "betas": [0.9, 0.99]}))
        {'opt.name': 'adam', 'opt.betas': '[0.9, 0.99]'}
    """
    if isinstance(value, dict) and value and depth:
        for name, inner in value.items():
            yield from flatten(f"{key}.{name}" if key else name, inner, depth=depth - 1)
    elif isinstance(value, dict | list):
        yield key, json.dumps(value)
    else:
        yield key, value


def read_rule(record: WandbRecord) -> MetricRule:
    """Return what a record of `define_metric` says."""
    rule, goals = MetricRule(), {1: "min", 2: "max"}
    for inner in record.fields():
        if inner.number == 1:
            rule.name = read_text(record.data, inner)
        elif inner.number == 2:
            rule.glob = read_text(record.data, inner)
        elif inner.number == 4:
            rule.step_metric = read_text(record.data, inner)
        elif inner.number == 7:
            chosen = {part.number for part in read_fields(record.data, inner.start, inner.end)}
            rule.mode = rule.mode or next((goals[number] for number in (1, 2) if number in chosen), None)
        elif inner.number == 8:
            rule.mode = goals.get(read_whole(record.data, inner), rule.mode)
    return rule


def read_moment(data: bytes, place: WireField) -> float:
    """Return a timestamp in seconds since 1970."""
    parts = {inner.number: read_whole(data, inner) for inner in read_fields(data, place.start, place.end)}
    return parts.get(1, 0) + parts.get(2, 0) / 1e9
