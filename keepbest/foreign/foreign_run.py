"""The run of another tool, as a reader of its files hands it to the importer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from keepbest.contract.base import Scalar
from keepbest.contract.origins import ForeignKind
from keepbest.status import RunState


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Values of one metric in order of arrival: three arrays of one length; `times` are seconds since 1970."""

    key: str
    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    times: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True, slots=True)
class Resumption:
    """From here on the script went on from an earlier step, which opens a segment; `at` is in seconds since 1970."""

    at: float


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """A file that becomes an artifact at `path`, of `size` bytes; `open` returns a new reader of them each time."""

    path: str
    size: int
    open: Callable[[], BinaryIO]


Part = Points | Resumption | ForeignFile


def _leave_nothing_out() -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class ForeignRun:
    """One run of another tool.

    `source` says within its kind which run this is: the same source again is the same run. `parts` yields what the run
    reported, in order of arrival; it may be read more than once, and yields the same each time, or the same and more.
    `left_out` says, once the parts were read, what was left out and why. Without a `monitor` and a `mode` the tracker
    chooses them. `project` and `parent` are what the source calls them, the parent by its own source. `place` says, for
    people, where it was read; `message` why it ended, where that needs a word; `is_guessed` that the reader took its
    monitor by the name.

    >>> run = ForeignRun("csv", "/logs/a.csv", name="a", parts=lambda: iter([Resumption(0.0)]))
    >>> run.state.value, list(run.parts())
    ('finished', [Resumption(at=0.0)])
    """

    kind: ForeignKind
    source: str
    name: str
    parts: Callable[[], Iterator[Part]]
    project: str | None = None
    state: RunState = RunState.FINISHED
    started_at: datetime | None = None
    ended_at: datetime | None = None
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    notes: str = ""
    monitor: str | None = None
    mode: Literal["min", "max"] | None = None
    is_guessed: bool = False
    parent: str | None = None
    datasets: Sequence[Mapping[str, Any]] = ()
    place: str = ""
    message: str = ""
    left_out: Callable[[], Sequence[str]] = _leave_nothing_out
