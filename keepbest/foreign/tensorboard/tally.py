"""What was seen in the files of one run: its metrics, first and last moment, parameters, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from keepbest.foreign.foreign_run import Points
from keepbest.foreign.tensorboard.hparams import TrainingSession

#: The most metrics and the most texts and images of one run; what is beyond is counted and left out.
MAX_KEYS = 10_000
MAX_FILES = 2_000
_MAX_FAULTS = 20


@dataclass(slots=True)
class Tally:
    """Counts while a run is read. A moment is in seconds since 1970."""

    points: Counter[str] = field(default_factory=Counter)
    first: float | None = None
    last: float | None = None
    session: TrainingSession = field(default_factory=TrainingSession)
    files: int = 0
    resumptions: int = 0
    faults: list[str] = field(default_factory=list)
    missing: Counter[str] = field(default_factory=Counter)

    def admits(self, key: str) -> bool:
        """Whether there is room for values of this metric."""
        return key in self.points or len(self.points) < MAX_KEYS

    def add(self, points: Points) -> None:
        """Count values; there is at least one."""
        self.points[points.key] += len(points)
        first, last = float(points.times.min()), float(points.times.max())
        self.first = first if self.first is None else min(first, self.first)
        self.last = last if self.last is None else max(last, self.last)

    def say_missing(self) -> Iterator[str]:
        """Yield in words what was left out, and why."""
        yield from self.faults[:_MAX_FAULTS]
        if len(self.faults) > _MAX_FAULTS:
            yield f"{len(self.faults) - _MAX_FAULTS:,} more faults of files."
        for what, count in sorted(self.missing.items()):
            yield f"{count:,} {what}"
