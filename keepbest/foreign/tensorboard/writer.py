"""Writes event files that TensorBoard shows: scalars, texts and hyperparameters, as TensorFlow 2 writes them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from keepbest.contract.base import Scalar
from keepbest.foreign.tensorboard import hparams, scalars
from keepbest.foreign.tensorboard.record_file import frame_records
from keepbest.foreign.wire import write_field, write_single

#: The last part of a file's name: by whom it was written.
ENDING = "keepbest"
_VERSION = "brain.Event:2"
_FLOAT, _STRING = 1, 7
#: TensorBoard asks each class of data for its number: scalars, and all other tensors.
_SCALAR_CLASS, _TENSOR_CLASS = 1, 2
_STATUS = {True: 1, False: 2}
_AT_ONCE = 4096


class EventWriter:
    """An event file in a folder, which is made where it is missing. Times are in seconds since 1970.

    Files of one moment are read in the order of their numbers.

    A number is written as float32, as TensorBoard's own interface does: its loader passes over float64.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, EventWriter(Path(folder), at=9.0) as writer:
        ...     writer.add_scalar("loss", step=1, value=0.5, at=10.0)
        ...     writer.path.name
        'events.out.tfevents.0000000009.0000.keepbest'
    """

    def __init__(self, folder: Path, *, at: float, number: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"events.out.tfevents.{int(at):010d}.{number:04d}.{ENDING}"
        self._file = self.path.open("xb")
        self._waiting: list[bytes] = []
        self._write(_time(at) + write_field(3, _VERSION))

    def add_scalar(self, tag: str, *, step: int, value: float, at: float) -> None:
        """Write one value of a metric."""
        tensor = write_field(1, _FLOAT) + write_field(2, b"") + write_single(5, value)
        self._add(tag, scalars.PLUGIN, _SCALAR_CLASS, tensor, step, at)

    def add_scalars(self, tag: str, points: Iterable[tuple[int, float, float]]) -> None:
        """Write step, value and moment of many values of a metric."""
        for step, value, at in points:
            self.add_scalar(tag, step=step, value=value, at=at)

    def add_text(self, tag: str, text: str, *, step: int, at: float) -> None:
        """Write a text, which TensorBoard shows as Markdown."""
        tensor = write_field(1, _STRING) + write_field(2, b"") + write_field(8, text)
        self._add(tag, "text", _TENSOR_CLASS, tensor, step, at)

    def add_start(self, *, step: int, at: float) -> None:
        """Write that what lies before this, from this step on, is taken back: training goes on from there."""
        self._write(_time(at) + write_field(2, step) + write_field(7, write_field(1, 1)))

    def add_session(self, parameters: Mapping[str, Scalar], *, began: float, ended: float | None, good: bool) -> None:
        """Write the hyperparameters of the training and, if it has ended, how: TensorBoard lists them in a table."""
        start = b"".join(write_field(1, _entry(name, value)) for name, value in parameters.items())
        self._add_hparams("start", write_field(3, start + write_field(5, began)), began)
        if ended is not None:
            end = write_field(1, _STATUS[good]) + write_field(2, ended)
            self._add_hparams("end", write_field(4, end), ended)

    def _add_hparams(self, moment: str, content: bytes, at: float) -> None:
        plugin = write_field(1, hparams.PLUGIN) + write_field(2, content)
        metadata = write_field(9, write_field(1, plugin))
        self._write_value(write_field(1, f"_hparams_/session_{moment}_info") + metadata, 0, at)

    def _add(self, tag: str, plugin: str, data_class: int, tensor: bytes, step: int, at: float) -> None:
        metadata = write_field(1, write_field(1, plugin)) + write_field(4, data_class)
        self._write_value(write_field(1, tag) + write_field(9, metadata) + write_field(8, tensor), step, at)

    def _write_value(self, value: bytes, step: int, at: float) -> None:
        self._write(_time(at) + write_field(2, step) + write_field(5, write_field(1, value)))

    def _write(self, event: bytes) -> None:
        self._waiting.append(event)
        if len(self._waiting) >= _AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write what waits to be written together."""
        self._file.write(frame_records(self._waiting))
        self._file.flush()
        self._waiting.clear()

    def close(self) -> None:
        """Write what waits, and close the file."""
        self.flush()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _time(at: float) -> bytes:
    return write_field(1, float(at))


def _entry(name: str, value: Scalar) -> bytes:
    """Return a parameter. A number that is not finite is written as text."""
    if isinstance(value, bool):
        written = write_field(4, value)
    elif isinstance(value, int | float) and math.isfinite(value):
        written = write_field(2, float(value))
    else:
        written = write_field(3, "" if value is None else str(value))
    return write_field(1, name) + write_field(2, written)
