"""What a foreign run recorded of its monitor, for a replay: the validations of the path that the training ended on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from keepbest.foreign.foreign_run import ForeignRun, Points, Resumption
from keepbest.stopping.replay import RecordedRun
from keepbest.stopping.validation import Mode, Validation

#: Keras' name of the training loss.
_LOSS = "loss"


def record_run(run: ForeignRun, monitor: str, mode: Mode) -> RecordedRun:
    """Return the validations of a run: the values of one metric, each step once.

    Where the run went on from an earlier step, what lay behind that step is dropped. Where the steps do not go on, the
    validations are counted on from the last step, as the tracker counts them. If the steps count by one, a validation
    is taken for an epoch.

    Example:
        >>> import numpy as np
        >>> times = np.array([10.0, 20.0])
        >>> points = Points("val_loss", np.array([1, 2]), np.array([0.5, 0.25]), times)
        >>> run = ForeignRun("csv", "a", name="a", parts=lambda: iter([points]))
        >>> [(one.step, one.value, one.seconds) for one in record_run(run, "val_loss", "min").validations]
        [(1, 0.5, 0.0), (2, 0.25, 10.0)]
    """
    path, losses = _Path(), dict[int, float]()
    for part in run.parts():
        if isinstance(part, Resumption):
            path.resume(part.at)
        elif isinstance(part, Points) and part.key == monitor:
            for step, value, at in zip(part.steps.tolist(), part.values.tolist(), part.times.tolist(), strict=True):
                path.add(step, value, at)
        elif isinstance(part, Points) and part.key == _LOSS:
            losses.update(zip(part.steps.tolist(), part.values.tolist(), strict=True))
    validations = list(path.show(losses if monitor != _LOSS else {}))
    steps = [validation.step for validation in validations]
    is_by_one = len(steps) > 1 and all(later == earlier + 1 for earlier, later in pairwise(steps))
    return RecordedRun(validations=validations, mode=mode, steps_per_epoch=1 if is_by_one else None)


@dataclass(slots=True)
class _Path:
    """Steps, values and seconds of training so far, in order of step."""

    rows: list[tuple[int, float, float]] = field(default_factory=list)
    #: The moment at which the training began or went on, and the seconds of training before it.
    began: float | None = None
    before: float = 0.0
    is_resumed: bool = False

    def resume(self, at: float) -> None:
        """Go on, later, from a step that the next value says."""
        self.is_resumed = True
        self.before, self.began = (self.rows[-1][2] if self.rows else 0.0), at

    def add(self, step: int, value: float, at: float) -> None:
        """Take in a value."""
        if self.is_resumed and self.rows and step <= self.rows[-1][0]:
            self.rows = [row for row in self.rows if row[0] < step]
            self.before = self.rows[-1][2] if self.rows else 0.0
        self.is_resumed = False
        last = self.rows[-1] if self.rows else None
        self.began = at if self.began is None else self.began
        seconds = self.before + max(0.0, at - self.began)
        self.rows.append((step, value, seconds) if last is None else (max(step, last[0] + 1), value, seconds))

    def show(self, losses: dict[int, float]) -> Iterator[Validation]:
        """Yield the validations; seconds only if the moments tell any."""
        is_timed = any(seconds > 0 for _, _, seconds in self.rows)
        for step, value, seconds in self.rows:
            yield Validation(step, value, seconds=seconds if is_timed else None, train=losses.get(step))
