"""Hyperparameters as TensorBoard's hparams part keeps them in event files: of one session, with how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from keepbest.contract.base import Scalar
from keepbest.foreign.wire import WireField, read_fields, read_float, read_text, read_whole
from keepbest.status import RunState

#: The name of TensorBoard's part, in an event's metadata.
PLUGIN = "hparams"
_START, _END = 3, 4
_PARAMETERS, _GROUP, _KEY, _VALUE = 1, 4, 1, 2
_NUMBER, _STRING, _BOOL = 2, 3, 4
_STATUS = 1
_STATES = {1: RunState.FINISHED, 2: RunState.FAILED}


@dataclass(slots=True)
class TrainingSession:
    """What the events of one training say of it; `state` is None until its writer says how it ended."""

    parameters: dict[str, Scalar] = field(default_factory=dict)
    group: str | None = None
    state: RunState | None = None

    def add(self, content: bytes) -> None:
        """Take in the content of an event; raises WireFault where it is no message."""
        for inner in read_fields(content):
            if inner.number == _START:
                self._add_start(content, inner)
            elif inner.number == _END:
                status = [read_whole(content, part) for part in read_fields(content, inner.start, inner.end)
                          if part.number == _STATUS]  # fmt: skip
                self.state = _STATES.get(status[-1]) if status else None

    def _add_start(self, content: bytes, place: WireField) -> None:
        for inner in read_fields(content, place.start, place.end):
            if inner.number == _PARAMETERS:
                parts = {part.number: part for part in read_fields(content, inner.start, inner.end)}
                if _KEY in parts:
                    self.parameters[read_text(content, parts[_KEY])] = _read_value(content, parts.get(_VALUE))
            elif inner.number == _GROUP:
                self.group = read_text(content, inner)


def _read_value(content: bytes, place: WireField | None) -> Scalar:
    """Return a number, a text or a bool; None of anything else. A whole number comes back as one."""
    for inner in read_fields(content, place.start, place.end) if place else ():
        if inner.number == _NUMBER:
            number = read_float(content, inner)
            return int(number) if number.is_integer() and abs(number) < 2**53 else number
        if inner.number == _STRING:
            return read_text(content, inner)
        if inner.number == _BOOL:
            return bool(read_whole(content, inner))
    return None
