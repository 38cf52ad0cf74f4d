"""The history of a script's run that an earlier process began.

The script may start over, or load a checkpoint that keepbest does not know. So keepbest opens the segment only at the
script's first step: the segment branches off the living path at the step before. The stopper observes the path's
validations up to there once more, so that its patience goes on too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.overrides import Overrides
from keepbest.contract.per_example import Examples
from keepbest.contract.runs import SegmentList
from keepbest.contract.validations import RecordedValidation, ValidationPage
from keepbest.contract.workers import Assignment
from keepbest.errors import InvalidInput, MetricMissing, PolicyError
from keepbest.stopping import Validation
from keepbest.stopping.pairs import from_record
from keepbest.tracking.stopper import Stopper

#: Validations in one answer of the tracker.
VALIDATIONS_AT_ONCE = 1000
#: Why a validation of an earlier process counts as not finite.
WITHDRAWN = "it was withdrawn"


class HistoryClient(Protocol):
    """The part of `keepbest.client.client.Client` that reads a run's past."""

    def segments(self, run: str) -> SegmentList: ...

    def validations(
        self, run: str, *, after: int = 0, limit: int | None = None, examples: bool = False
    ) -> ValidationPage: ...


class SegmentInfo(Protocol):
    """A segment from the tracker or from a journal."""

    @property
    def number(self) -> int: ...
    @property
    def parent(self) -> int | None: ...
    @property
    def start_step(self) -> int: ...
    @property
    def checkpoint(self) -> str | None: ...
    @property
    def overrides(self) -> Overrides | None: ...


class PastValidation(Protocol):
    """A validation from the tracker or from a journal."""

    @property
    def segment(self) -> int: ...
    @property
    def step(self) -> int: ...
    @property
    def value(self) -> float | None: ...
    @property
    def n(self) -> int | None: ...
    @property
    def metrics(self) -> Mapping[str, float | None]: ...
    @property
    def examples(self) -> Examples | None: ...


class WithdrawnBest(Protocol):
    """An entry that withdraws the validation of its segment and step."""

    @property
    def segment(self) -> int: ...
    @property
    def step(self) -> int: ...


@dataclass(frozen=True)
class RunHistory:
    """The records of a run by earlier processes."""

    segments: Sequence[SegmentInfo] = ()
    validations: Sequence[PastValidation] = field(default=(), repr=False)
    withdrawn: Sequence[WithdrawnBest] = field(default=(), repr=False)
    #: Bytes of output that earlier processes recorded; 0 if this process counts its output from 0.
    printed: int = 0
    #: The configuration that earlier processes recorded; None if this process is the first.
    parameters: Mapping[str, Any] | None = field(default=None, repr=False)
    #: What earlier processes wrote into the summary.
    summary: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def next_segment(self) -> int:
        """The number of the next segment."""
        return max((segment.number + 1 for segment in self.segments), default=0)

    def find_parent(self, step: int) -> int | None:
        """Return the segment of the living path that holds `step`; None if training starts over."""
        return next(iter(self._find_path(step)), None) if step > 0 else None

    def replay(self, stopper: Stopper, step: int) -> None:
        """Have the stopper observe every validation up to `step`, and lift a stop that it decides there."""
        path = self._find_path(step)
        known = (validation for validation in self.validations if validation.step <= path.get(validation.segment, -1))
        # The script may have another stopper now, which the old validations do not suit.
        gone = {(entry.segment, entry.step) for entry in self.withdrawn}
        with suppress(PolicyError, MetricMissing):
            for validation in known:
                fault = WITHDRAWN if (validation.segment, validation.step) in gone else None
                pairs = from_record(validation.examples.model_dump()) if validation.examples is not None else None
                measured: dict[str, Any] = {"n": validation.n, "metrics": validation.metrics, "pairs": pairs}
                if stopper.observe(Validation(validation.step, validation.value, **measured, fault=fault)).stop:
                    stopper.lift_stop(validation.step)

    def _find_path(self, step: int) -> dict[int, int]:
        """Return the segments of the living path back from `step`, each with its last step on it."""
        known = {segment.number: segment for segment in self.segments}
        ends: dict[int, int] = {}
        at: int | None = max(known, default=None)
        while at is not None and at in known and at not in ends:
            if known[at].start_step <= step:
                ends[at] = step
                step = known[at].start_step
            at = known[at].parent
        return ends


def read_past(client: HistoryClient, assignment: Assignment) -> RunHistory:
    """Read the run's past from the tracker; raises the client's errors."""
    if assignment.next_segment == 0:
        return RunHistory()
    run, stopper = assignment.run.id, assignment.run.spec.stopper.model_dump()
    try:
        validations = _read_validations(client, run, examples=Stopper(stopper, None).needs_pairs)
    except InvalidInput:  # an older tracker does not record examples
        validations = _read_validations(client, run, examples=False)
    withdrawn = [validation for validation in validations if validation.withdraws]
    return RunHistory(
        client.segments(run).segments, [validation for validation in validations if not validation.withdraws], withdrawn
    )


def _read_validations(client: HistoryClient, run: str, *, examples: bool) -> list[RecordedValidation]:
    validations = list[RecordedValidation]()
    while page := client.validations(
        run, after=validations[-1].seq if validations else 0, limit=VALIDATIONS_AT_ONCE, examples=examples
    ).validations:
        validations.extend(page)
    return validations


def anew(assignment: Assignment) -> Assignment:
    """Return the assignment of a process that starts over."""
    return assignment.model_copy(update={"resume": None, "parent_segment": None, "overrides": None})


def leave_out_made(
    overrides: Overrides | None, segments: Sequence[SegmentInfo], *, wanted: Checkpoint, taken: int
) -> Overrides | None:
    """Return the overrides to apply if the process loads a checkpoint of segment `taken` in place of the wanted one.

    A factor for the learning rate refers to the rate at the wanted checkpoint. If the loaded checkpoint descends from a
    segment that an earlier attempt opened with this factor at the wanted checkpoint or later, the checkpoint contains
    the change already, and the factor is left out.
    """
    if overrides is None or overrides.learning_rate is None:
        return overrides
    for segment in _ancestors(segments, taken):
        # The first segment of a fork has the number 0.
        is_later = segment.number > wanted.segment or segment.checkpoint == wanted.id
        changed = segment.overrides
        if is_later and changed is not None and changed.learning_rate == overrides.learning_rate:
            return overrides.model_copy(update={"learning_rate": None})
    return overrides


def _ancestors(segments: Sequence[SegmentInfo], number: int | None) -> Iterator[SegmentInfo]:
    """Yield a segment and its ancestors, each once even if their parents form a circle."""
    known = {segment.number: segment for segment in segments}
    while number is not None and (segment := known.pop(number, None)) is not None:
        yield segment
        number = segment.parent
