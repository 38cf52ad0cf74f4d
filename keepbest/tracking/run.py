"""A run as the script that trains it sees it: log, validation, finish.

    with keepbest.init(project="digits", monitor="val_accuracy", mode="max") as run:
        for step in range(1, 10_000):
            run.log({"loss": train_one_step()}, step=step)
            if step % 100 == 0 and run.report_validation(step, validate(), n=5000).stop:
                break

`init` makes a run for a user's own script; a worker's trainer, which was given its run, uses `Run.attach`.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from keepbest.contract import runs as contract
from keepbest.contract.base import new_id
from keepbest.contract.batches import Declared
from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.commands import Command
from keepbest.contract.overrides import Overrides
from keepbest.contract.policies import RetentionSpec
from keepbest.contract.runs import RunError, SegmentReason, TestResult
from keepbest.contract.selections import Selection
from keepbest.contract.workers import Assignment, Release
from keepbest.errors import KeepbestError, LeaseLost
from keepbest.journal.journal import Journal, JournalOwner
from keepbest.journal.uploader import UploadClient, Uploader
from keepbest.journal.values import describe_error, describe_here
from keepbest.renamed import refuse_method
from keepbest.status import CommandKind, StopReason
from keepbest.stopping import Decision, read_pairs
from keepbest.tracking.process.exit import Terminated, as_known, end_in_peace, find_cause, shielded
from keepbest.tracking.recorder import forget
from keepbest.tracking.standing import StopperStatus, stopped_by
from keepbest.tracking.stopper import Stopper, known_mode

DRAIN_SECONDS = 30.0
#: What `dir(run)` shows.
SHOWN = (
    "id", "monitor", "step", "start", "url", "log", "report_validation", "beat", "best", "decision",
    "deadline", "finish", "fail",
    "log_image", "log_histogram", "log_confusion", "log_graph",
)  # fmt: skip
#: One thread both journals and sends: a tracker that hangs must not hold it for long.
REQUEST_SECONDS = 5.0

_INTERRUPTED = "Interrupted from the keyboard."
_log = logging.getLogger("keepbest")


class Run(StopperStatus):
    """One living run. `log` may be called from any thread; all else from the thread that trains.

    `reporter` is None for a run that nobody hears of (mode "disabled"): it still judges validations. `on_end` is told
    how the run ended, after everything it said was sent, and raises LeaseLost where it was somebody else's by then.
    """

    def __init__(
        self,
        run: str,
        judge: Stopper,
        *,
        monitor: str,
        reporter: Uploader | None = None,
        first_segment: int = 0,
        commands: deque[Command] | None = None,
        retention: RetentionSpec | None = None,
        on_end: Callable[[Release], None] = lambda release: None,
    ) -> None:
        super().__init__(run, judge, monitor, reporter, first_segment)
        self.retention = retention or RetentionSpec()
        self._commands = commands if commands is not None else deque()
        #: What this attempt does otherwise from its first step on.
        self.overrides: Overrides | None = None
        #: The page of the run, where a tracker shows it.
        self.url: str | None = None
        #: The checkpoint that a run goes on from which an earlier process of its script began; `go_on_at` says so.
        self.start: Checkpoint | None = None
        #: Whether an earlier process began the run, and this one goes on with it; None where nobody knows.
        self.goes_on: bool | None = None
        #: Whether a fit has begun that has not come to its end: from within it, or where it was broken off.
        self.is_fitting = False
        #: What the submission of a command said, which counts over what its script says.
        self.fixed: Sequence[contract.Said] = ()
        self._declared = Declared()
        self._before_end: list[Callable[[], object]] = []
        self._on_end = on_end
        self._pid = os.getpid()
        self._ended = False

    @classmethod
    def attach(
        cls,
        assignment: Assignment,
        client: UploadClient | None,
        journal_dir: Path,
        *,
        on_lost: Callable[[KeepbestError], None] = lambda error: None,
        on_end: Callable[[Release], None] = lambda release: None,
    ) -> Self:
        """Report a run whose lease is held already: what a worker's trainer does.

        Opens a journal of its own below `journal_dir` (an agent sends what is left of it with
        `keepbest.journal.journal.drain_left_over(journal_dir, client)`, under the same lease) and the assignment's
        next segment, which makes the run `running`. Give it `Client(…, timeout_seconds=5, retries=0)`: one thread both
        sends and journals, and it tries again in its own time. Renewing and releasing the lease stay with the caller:
        `finish` and `fail` send everything, then call `on_end` with the Release that says how it ended.

        Then, in this order:
        - `run.set_mode(...)` where the spec says `auto`;
        - `run.go_on_from(state)` with the state that lay in the checkpoint it resumes from;
        - at each validation `decision = run.judge_validation(...)`, keep the snapshot, `run.record_validation(...)`;
          `run.report_validation(...)`
          does both for a loop that keeps nothing;
        - train no further than `run.deadline()` without calling `run.judge_validation(step, None)`;
        - at every batch `run.has_commands`, then `run.take_commands()` and `run.answer(command, ...)` for each;
        - on a roll back `run.branch(...)`;
        - `run.finish(...)` or `run.fail(error)`.

        `on_lost` is called in the reporter's thread with the error (LeaseLost, NotFound, …) after which nothing is
        sent any more; the journal stays.
        """
        spec, commands = assignment.run.spec, deque[Command]()
        judge = Stopper(spec.stopper.model_dump(), known_mode(assignment.run.mode), spec.max_steps)
        if assignment.run.max_steps is not None:
            judge.set_max_steps(assignment.run.max_steps)
        journal = Journal.create(journal_dir, JournalOwner(assignment.run.id, new_id(), assignment.lease.token))
        reporter = Uploader(journal, client, on_command=commands.append, on_lost=on_lost)
        run = cls(
            assignment.run.id,
            judge,
            monitor=spec.monitor,
            reporter=reporter,
            first_segment=assignment.next_segment,
            commands=commands,
            retention=spec.retention,
            on_end=on_end,
        )
        run.begin(assignment)
        return run

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_with(error)

    def __repr__(self) -> str:
        return f"Run({self.id!r})"

    if not TYPE_CHECKING:  # a type checker finds an old name by itself

        def __getattr__(self, name: str) -> Any:
            raise refuse_method(self, name)

    def __dir__(self) -> list[str]:
        """What a script uses, for whoever asks a notebook: the rest is what keepbest's own loops call."""
        return [*SHOWN, *(name for name in super().__dir__() if name.startswith("__"))]

    # What was measured

    def report_validation(
        self,
        step: int,
        value: float | None,
        n: int | None = None,
        *,
        train: float | None = None,
        metrics: Mapping[str, Any] | None = None,
        epoch: float | None = None,
        correct: Any = None,
        losses: Any = None,
    ) -> Decision:
        """Judge a validation of the monitored metric on `n` examples, and record it with the decision.

        `train` is the training loss, `metrics` what else was measured; `correct` is whether each example was right (a
        vector of bools), or `losses` that of each, for `paired_noise`; both are recorded with the validation. A stop
        that somebody asked for counts as one.
        """
        pairs = read_pairs(correct, losses)
        decision = self.judge_validation(step, value, n, train=train, metrics=metrics, pairs=pairs)
        if not decision.stop:
            decision = self._obey_stop(decision)
        asked = self.judge.ask(pairs)
        self.record_validation(step, value, decision, n=n, metrics=metrics, epoch=epoch, pairs=asked)
        return decision

    def declare(self, said: Declared) -> None:
        """Tell the tracker what a command's script says of its run; it counts where the submission said nothing."""
        known = {name: getattr(said, name) for name in Declared.model_fields}
        self._declared = self._declared.model_copy(update={n: value for n, value in known.items() if value is not None})
        self.report(declared=self._declared)

    def go_on_at(self, step: int, checkpoint: str | None = None) -> None:
        """Say that training goes on from `step`, from that checkpoint, in a run that an earlier process began."""
        self.step = step

    # What people ask for

    @property
    def has_commands(self) -> bool:
        return bool(self._commands)

    def take_commands(self) -> list[Command]:
        """Return the commands that came since the last call, oldest first; each comes once."""
        return [self._commands.popleft() for _ in range(len(self._commands))]

    def _obey_stop(self, decision: Decision) -> Decision:
        """Let a command to stop be the reason; other commands are refused, for nobody here can obey them."""
        for command in self.take_commands():
            if command.kind in (CommandKind.STOP, CommandKind.CANCEL):
                self.answer(command, "done", "Stopped at this validation.")
                decision = self._asked_stop = stopped_by(command, decision)
            else:
                self.answer(command, "refused", "This script keeps no snapshots; keepbest.Loop and KeepBest do.")
        return decision

    # How it ends

    def before_end(self, call: Callable[[], object]) -> None:
        """Have `call` called before the run says that it ended: its best must be on disk by then."""
        self._before_end.append(call)

    def finish(
        self,
        reason: StopReason | None = None,
        message: str | None = None,
        *,
        test: TestResult | None = None,
        selection: Selection | None = None,
        seconds: float = DRAIN_SECONDS,
    ) -> bool:
        """End the run as a success; the reason is the stopper's where none is given.

        Waits up to `seconds` for the tracker. Return whether it has everything, and the run was still this script's;
        what it has not is kept, and what it did not take lies in a file that a warning has named.
        """
        stopped = self.decision if self.decision is not None and self.decision.stop else None
        release = Release(
            outcome="finished",
            stop_reason=reason or (stopped.reason if stopped else None),
            stop_message=message or (stopped.message if stopped else None),
            test=test,
            selection=selection,
        )
        return self.end(release, seconds)

    def fail(self, error: BaseException, *, seconds: float = DRAIN_SECONDS) -> bool:
        """End the run as failed, with the error and its traceback."""
        described = describe_error(error)
        self.report(error=described)
        return self.end(_failure(described), seconds)

    def end_with(self, error: BaseException | None) -> bool:
        """End the run the way a block or a script ended: none finishes, Ctrl-C and SIGTERM cancel, all else fails."""
        error = as_known(error)
        if error is None and self.is_fitting:
            return self.finish(StopReason.USER, "Its fit was broken off; the script went on to its end.")
        if error is None:
            return self.finish()
        if isinstance(error, KeyboardInterrupt | Terminated):
            message = "Its process was ended by SIGTERM." if isinstance(error, Terminated) else _INTERRUPTED
            return self.end(Release(outcome="cancelled", stop_reason=StopReason.USER, stop_message=message), 10.0)
        return self.fail(error)

    def end_at_exit(self) -> None:
        """End a run whose script forgot to, as what ends the script says."""
        end_in_peace()
        self.end_with(find_cause(is_broken_off=self.is_fitting))

    def begin(self, assignment: Assignment | None) -> None:
        """Open the first segment of this process and start reporting; an offline run has no assignment."""
        resume, parent = (assignment.resume, assignment.parent_segment) if assignment else (None, None)
        is_fork = assignment is not None and assignment.run.spec.forked_from is not None
        reason: SegmentReason = "resume" if parent is not None else "fork" if is_fork else "start"
        self.overrides = assignment.overrides if assignment else None
        self.judge.promotions = assignment.promotions if assignment else None
        if resume is not None:
            self._departures.begin_at(resume.id)
        self.open_segment(reason, resume.step if resume else 0, parent, resume.id if resume else None, self.overrides)
        self.report(environment=describe_here())
        if self.reporter is not None:
            self.reporter.start()

    def end(self, release: Release, seconds: float) -> bool:
        """End the run in the words of `release`; a run ends once."""
        if self._ended or os.getpid() != self._pid:  # a forked child has no threads: the run is its parent's
            return True
        self._ended = True
        atexit.unregister(self.end_at_exit)
        with shielded():
            return self._end(release, seconds)

    def _end(self, release: Release, seconds: float) -> bool:
        with self.life.slowly():
            for call in self._before_end:
                call()
        self.life.is_over = True
        if self.reporter is None:
            self._on_end(release)
            return True
        complete = self.reporter.drain(seconds) and not isinstance(self.reporter.lost_to, LeaseLost)
        missing = self.reporter.journal.set_aside
        try:
            self._on_end(release)
        except LeaseLost:
            is_own = False
        else:
            is_own = True
        self.reporter.close()
        self._put = self._refuse
        if not complete:
            _log.warning("keepbest: not everything reached the tracker; the rest of run %s is kept in %s.", *self._kept)
        return complete and is_own and not missing

    def _refuse(self, item: object) -> None:
        _log.warning("keepbest: run %s has ended; what is said of it now is not kept.", self.id)
        self._put = forget

    @property
    def _kept(self) -> tuple[str, Path | None]:
        return self.id, self.reporter.journal.folder if self.reporter is not None else None


def _failure(error: RunError) -> Release:
    return Release(outcome="failed", stop_reason=StopReason.ERROR, stop_message=error.message[:2000], error=error)
