"""Takes a batch apart into halves, and the halves again, down to one entry or one point. Pure functions of bytes.

A piece is batch number 1 of its own writer, who is named after the batch and the piece's place in it. So the tracker
takes a piece that is sent twice only once, and the numbers of the batch's own writer have no gap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from keepbest.contract.base import ID_ALPHABET, ID_LENGTH
from keepbest.errors import InvalidInput
from keepbest.journal import wire
from keepbest.journal.wire import Header, MetricPoints

#: The lists of a batch in the order of their dependence: a segment comes before its records.
LISTS = ("segments", "columns", "validations", "withdrawn", "checkpoints", "dropped", "commands", "logs", "panels")
_WORDS = {
    "segments": "segment",
    "validations": "validation",
    "withdrawn": "withdrawn validation",
    "checkpoints": "checkpoint",
    "dropped": "dropped checkpoint",
    "commands": "answer to a command",
    "logs": "piece of output",
    "panels": "panel",
}
Entry = tuple[str, int]


def piece_writer(writer: str, number: int, place: str) -> str:
    """Return the writer of the piece at `place`: "" is the whole batch, "01" the second half of its first half."""
    digest = hashlib.sha256(f"{writer}/{number}/{place}".encode()).digest()
    return "".join(ID_ALPHABET[byte % len(ID_ALPHABET)] for byte in digest[:ID_LENGTH])


def as_piece(body: bytes, writer: str, number: int, place: str) -> bytes:
    """Return the body of a piece under its own writer."""
    return wire.renumbered(body, piece_writer(writer, number, place), 1)


def halves(body: bytes) -> tuple[bytes, bytes] | None:
    """Return two batches that together hold this one's content; None if it cannot be taken apart any further."""
    try:
        header, points = wire.decode(body)
        entries = _list_entries(header)
    except InvalidInput:
        return None
    if len(entries) > 1:
        middle = len(entries) // 2
        return _select(header, points, entries[:middle]), _select(header, points, entries[middle:])
    if len(points) == 1 and len(points[0]) > 1:
        middle = len(points[0]) // 2
        return _cut(header, points[0], 0, middle), _cut(header, points[0], middle, len(points[0]))
    return None


def describe(body: bytes) -> str:
    """Describe a piece in a few words: "validation at step 100"."""
    try:
        header, points = wire.decode(body)
        entries = _list_entries(header)
    except InvalidInput:
        return "a batch that cannot be read"
    if len(entries) != 1:
        return f"{len(entries)} entries"
    (name, place) = entries[0]
    if name == "progress":
        return "report of progress"
    if name == "columns":
        steps = points[0].steps
        return f"{len(steps)} points of {points[0].key}" if len(steps) > 1 else f"{points[0].key} at step {steps[0]}"
    return _describe_record(_WORDS[name], header[name][place])


def _describe_record(what: str, record: Header) -> str:
    answer, step = record.get("name") or record.get("id"), record.get("step", record.get("start_step"))
    return " ".join((what, *([str(answer)] if answer else []), *([f"at step {step}"] if step is not None else [])))


def as_json(body: bytes) -> Header:
    """Return a batch in its JSON form; raises InvalidInput if it cannot be read."""
    header, points = wire.decode(body)
    if points:
        header["columns"] = [
            {
                "segment": part.segment,
                "key": part.key,
                "steps": part.steps.tolist(),
                "values": part.values.tolist(),
                "times": part.times.tolist(),
            }
            for part in points
        ]
    return header


def _list_entries(header: Header) -> list[Entry]:
    pairs = [(name, place) for name in LISTS for place in range(len(_list(header, name)))]
    return [*pairs, ("progress", 0)] if header.get("progress") is not None else pairs


def _list(header: Header, name: str) -> list[Any]:
    given = header.get(name, [])
    if not isinstance(given, list) or not all(isinstance(entry, dict) for entry in given):
        raise InvalidInput(f"{name} of a batch is a list of objects.", field=name)
    return given


def _select(header: Header, points: Sequence[MetricPoints], entries: Sequence[Entry]) -> bytes:
    kept = {name: header[name] for name in ("writer", "number")}
    for name, place in entries:
        if name == "progress":
            kept[name] = header[name]
        else:
            kept.setdefault(name, []).append(header[name][place])
    return wire.pack(kept, [points[place] for name, place in entries if name == "columns"])


def _cut(header: Header, part: MetricPoints, start: int, stop: int) -> bytes:
    steps, values, times = part.steps[start:stop], part.values[start:stop], part.times[start:stop]
    cut = MetricPoints(part.segment, part.key, steps, values, times)
    return wire.pack({**header, "columns": [{**header["columns"][0], "count": stop - start}]}, [cut])
