"""How a process opens its first segment: at once, or only at its first logged step.

A script that continues the run of an earlier process may start over, or load a checkpoint that keepbest does not know.
So keepbest records no segment before the script logs its first step.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

from keepbest.contract.batches import CheckpointDurable, Progress, SegmentOpened
from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.overrides import Overrides
from keepbest.contract.runs import SegmentReason
from keepbest.contract.workers import Assignment
from keepbest.tracking.history import RunHistory
from keepbest.tracking.recorder import Recorder
from keepbest.tracking.stopper import Stopper


class Opening:
    """For a run that is not recorded: opens no segment."""

    def __init__(self, assignment: Assignment | None = None, *, goes_on: bool | None = None) -> None:
        self._assignment = assignment
        #: Whether this process continues the run of an earlier process; None if not known.
        self.goes_on = goes_on
        #: The checkpoint that a script's run goes on from, if an earlier process of the script began the run.
        self.start: Checkpoint | None = None
        #: The changes of this attempt, from its first step on.
        self.overrides: Overrides | None = assignment.overrides if assignment is not None else None
        #: The records of earlier processes.
        self.past = RunHistory()

    def begin(self, recorder: Recorder, stopper: Stopper) -> None:
        """Open the segment, if that can be done at once. Called once, before anything else is recorded."""

    def open_before(self, step: int) -> None:
        """Make sure that the segment of `step` is open."""

    def go_on_at(self, recorder: Recorder, step: int, checkpoint: str | None) -> None:
        """Note that training goes on at `step` from `checkpoint`."""
        recorder.step = step


class OpensAtOnce(Opening):
    """For a run that begins, or that goes on from a checkpoint of the tracker. An offline run has no assignment."""

    def begin(self, recorder: Recorder, stopper: Stopper) -> None:
        """Open the segment that the assignment names."""
        assignment = self._assignment
        resume, parent = (assignment.resume, assignment.parent_segment) if assignment else (None, None)
        is_fork = assignment is not None and assignment.run.spec.forked_from is not None
        reason: SegmentReason = "resume" if parent is not None else "fork" if is_fork else "start"
        stopper.promotions = assignment.promotions if assignment else None
        if resume is not None:
            recorder.resume_points.begin_at(resume.id)
        step, checkpoint = (resume.step, resume.id) if resume else (0, None)
        recorder.open_segment(reason, step, parent, checkpoint, self.overrides)


class OpensAtFirstStep(Opening):
    """For a run that an earlier process of its script began: opens the segment when the first step is recorded."""

    def __init__(self, assignment: Assignment | None, past: RunHistory) -> None:
        super().__init__(assignment, goes_on=True)
        self.past = past
        self.start = assignment.resume if assignment is not None else None
        self._opening = Lock()
        #: Checkpoints of earlier processes, to be recorded once the segment is open.
        self._found: list[CheckpointDurable] = []

    def begin(self, recorder: Recorder, stopper: Stopper) -> None:
        """Become the recorder's sink, in front of the uploader, until the first step is recorded."""
        self._recorder, self._stopper = recorder, stopper
        if self._assignment is not None:
            recorder.step = self._assignment.run.step or 0
        if self.start is not None:
            recorder.resume_points.begin_at(self.start.id)
        self._behind, recorder.sink = recorder.sink, self

    def put(self, item: Any) -> None:
        """Record an item, after opening the segment that it belongs to. Safe from any thread."""
        with self._opening:
            if self._is_waiting and isinstance(item, CheckpointDurable) and item.segment < self._recorder.first_segment:
                self._found.append(item)  # an earlier process wrote it, so its step is not where this one begins
                return
            step = item[0] if isinstance(item, tuple) else getattr(item, "step", None)
            if self._is_waiting and isinstance(item, SegmentOpened):
                self._recorder.sink = self._behind
            elif not isinstance(item, Progress) and isinstance(step, int):
                self.open_before(step)
        self._behind.put(item)

    def open_before(self, step: int) -> None:
        """Open the segment at the step before `step`, unless the segment is open."""
        if self._is_waiting:
            number = self._recorder.step
            self._open(max(step - 1, 0), None)
            self._recorder.step = max(number, step)

    def go_on_at(self, recorder: Recorder, step: int, checkpoint: str | None) -> None:
        """Open the segment at `step` from `checkpoint`, unless an earlier step has opened the segment."""
        if self._is_waiting:
            self._open(step, checkpoint)

    def _open(self, step: int, checkpoint: str | None) -> None:
        self._recorder.sink = self._behind
        parent = self.past.find_parent(step)
        if checkpoint is None and parent is not None and self._stopper.is_fresh:
            self.past.replay(self._stopper, step)
        self._recorder.open_segment("start" if parent is None else "resume", step, parent, checkpoint, self.overrides)
        for item in self._found:
            self._behind.put(item)

    @property
    def _is_waiting(self) -> bool:
        return self._recorder.sink is self


def open_script(assignment: Assignment | None, past: RunHistory, first_segment: int) -> Opening:
    """Return the opening of a script's run: at once if this process is the run's first."""
    if first_segment == 0:
        return OpensAtOnce(assignment, goes_on=False)
    return OpensAtFirstStep(assignment, past)
