"""How the first segment of this process is opened: at once, or only with the first step that is said.

A run that a script goes on with was begun by an earlier process, and the script may begin anew or load a checkpoint of
its own, of which we know nothing. So nothing is said of a segment before the script says its first step.
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
    """Of a run that nobody hears of: there is no segment to open."""

    def __init__(self, assignment: Assignment | None = None, *, goes_on: bool | None = None) -> None:
        self._assignment = assignment
        #: Whether an earlier process began the run, and this one goes on with it; None where nobody knows.
        self.goes_on = goes_on
        #: The checkpoint that a run goes on from which an earlier process of its script began.
        self.start: Checkpoint | None = None
        #: What this attempt does otherwise from its first step on.
        self.overrides: Overrides | None = assignment.overrides if assignment is not None else None
        #: What earlier processes left; said before the script says its first step.
        self.past = RunHistory()

    def begin(self, recorder: Recorder, stopper: Stopper) -> None:
        """Open the segment where that can be done at once. Called once, before anything else is said."""

    def open_before(self, step: int) -> None:
        """See that the segment is open to which `step` belongs."""

    def go_on_at(self, recorder: Recorder, step: int, checkpoint: str | None) -> None:
        """Take `checkpoint` for what training goes on from, at `step`."""
        recorder.step = step


class OpensAtOnce(Opening):
    """Of a run that begins, or that its tracker has go on from a checkpoint; offline there is no assignment."""

    def begin(self, recorder: Recorder, stopper: Stopper) -> None:
        """Open the segment that the assignment says."""
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
    """Of a run that an earlier process of its script began: holds back what is recorded until a step is known."""

    def __init__(self, assignment: Assignment | None, past: RunHistory) -> None:
        super().__init__(assignment, goes_on=True)
        self.past = past
        self.start = assignment.resume if assignment is not None else None
        self._opening = Lock()
        #: What earlier processes wrote, to be recorded once the segment is open.
        self._found: list[CheckpointDurable] = []

    def begin(self, recorder: Recorder, stopper: Stopper) -> None:
        """Stand between the recorder and its uploader until the first step is said."""
        self._recorder, self._stopper = recorder, stopper
        if self._assignment is not None:
            recorder.step = self._assignment.run.step or 0
        if self.start is not None:
            recorder.resume_points.begin_at(self.start.id)
        self._behind, recorder.sink = recorder.sink, self

    def put(self, item: Any) -> None:
        """Record something, after the segment that it belongs to. Safe from any thread."""
        with self._opening:
            if self._is_waiting and isinstance(item, CheckpointDurable) and item.segment < self._recorder.first_segment:
                self._found.append(item)  # what an earlier process wrote says nothing of where this one begins
                return
            if isinstance(item, SegmentOpened):
                self._let_through()
            elif not isinstance(item, Progress) and (step := _step_of(item)) is not None:
                self.open_before(step)
        self._behind.put(item)

    def open_before(self, step: int) -> None:
        """Open the segment after the step before this one, where it is not open yet."""
        if self._is_waiting:
            number = self._recorder.step
            self._open(max(step - 1, 0), None)
            self._recorder.step = max(number, step)

    def go_on_at(self, recorder: Recorder, step: int, checkpoint: str | None) -> None:
        """Open the segment at `step`, from that checkpoint; where a step was said before, that told it."""
        if self._is_waiting:
            self._open(step, checkpoint)

    def _open(self, step: int, checkpoint: str | None) -> None:
        self._let_through()
        parent = self.past.find_parent(step)
        if checkpoint is None and parent is not None and self._stopper.is_fresh:
            self.past.replay(self._stopper, step)
        self._recorder.open_segment("start" if parent is None else "resume", step, parent, checkpoint, self.overrides)
        for item in self._found:
            self._behind.put(item)

    @property
    def _is_waiting(self) -> bool:
        return self._recorder.sink is self

    def _let_through(self) -> None:
        if self._is_waiting:
            self._recorder.sink = self._behind


def open_script(assignment: Assignment | None, past: RunHistory, first_segment: int) -> Opening:
    """Return how a script's run is opened: at once where this process is its first."""
    if first_segment == 0:
        return OpensAtOnce(assignment, goes_on=False)
    return OpensAtFirstStep(assignment, past)


def _step_of(item: Any) -> int | None:
    step = item[0] if isinstance(item, tuple) else getattr(item, "step", None)
    return step if isinstance(step, int) else None
