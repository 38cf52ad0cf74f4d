"""A run as a user's own script has it from `keepbest.init`: it may have been begun by an earlier process."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Literal

from keepbest.contract.batches import CheckpointDurable, Progress, SegmentOpened
from keepbest.contract.commands import Command
from keepbest.contract.workers import Assignment, Release
from keepbest.journal.values import describe_here
from keepbest.status import CommandKind, StopReason
from keepbest.stopping import Decision, Pairs
from keepbest.tracking.former_runs import forget
from keepbest.tracking.history import RunHistory
from keepbest.tracking.process.console import Console
from keepbest.tracking.process.exit import Terminated, announce, as_known, hush, watch
from keepbest.tracking.reclaim import mark_leaving
from keepbest.tracking.run import Run

_log = logging.getLogger("keepbest")


class ScriptRun(Run):
    """What a script adds to a run: a start that only its first step tells, and an end by its own word."""

    #: What earlier processes left; said before the script says its first step.
    past = RunHistory()
    #: Called once, when the script first asks for commands.
    on_listen: Callable[[], None] | None = None
    #: Whether somebody else ends the process of a cancelled run.
    is_ended_from_outside = False
    _is_cancelled = False
    _console: Console | None = None

    def begin(self, assignment: Assignment | None) -> None:
        """Begin to report. A run that was begun before opens its segment with the first step that the script says."""
        self.goes_on = self.segment > 0
        if not self.goes_on:
            super().begin(assignment)
            return
        if assignment is not None:
            self.start, self.overrides = assignment.resume, assignment.overrides
            self.step = assignment.run.step or 0
        if self.start is not None:
            self._departures.begin_at(self.start.id)
        self._opening, self._report, self._found = Lock(), self._put, list[CheckpointDurable]()
        self._put = self._open_first
        self.report(environment=describe_here())
        if self.reporter is not None:
            self.reporter.start()

    def judge_validation(
        self,
        step: int,
        value: float | None,
        n: int | None = None,
        *,
        train: float | None = None,
        metrics: Mapping[str, Any] | None = None,
        pairs: Pairs | None = None,
    ) -> Decision:
        """Return the stopper's decision, and record nothing yet. A value of None says that training came this far."""
        self.know_mode()
        self._open_before(step)
        return super().judge_validation(step, value, n, train=train, metrics=metrics, pairs=pairs)

    def go_on_at(self, step: int, checkpoint: str | None = None) -> None:
        """Say that training goes on from `step`, from that checkpoint; else the first step that is said tells it."""
        if self._put == self._open_first:
            self._open(step, checkpoint)

    @property
    def has_commands(self) -> bool:
        self._tell_listening()
        return bool(self._commands)

    def take_commands(self) -> list[Command]:
        """Return the commands that came since the last call, oldest first; each comes once."""
        self._tell_listening()
        taken = super().take_commands()
        return [one for one in taken if one.kind is not CommandKind.CANCEL or not self.is_ended_from_outside]

    def answer(
        self,
        command: Command,
        state: Literal["acknowledged", "done", "refused"],
        message: str = "",
        result: Any = None,
    ) -> None:
        """Say what became of a command; it is sent at once."""
        self._is_cancelled |= command.kind is CommandKind.CANCEL and state == "done"
        super().answer(command, state, message, result)

    def keep_console(self) -> None:
        """Keep what this process prints, until the run ends, as the run's log."""
        try:
            self._console = Console(self.say, self.past.printed)
        except OSError as error:
            _log.warning("keepbest: the console cannot be kept: %s.", error.strerror or error)

    def __enter__(self) -> Run:
        forget(self)
        return super().__enter__()

    def watch_end(self) -> None:
        """End the run with the script, however that ends."""
        watch()
        announce(self._leave_word)
        atexit.register(self.end_at_exit)

    def end_with(self, error: BaseException | None) -> bool:
        """End the run the way its script ended; SIGTERM is a word of whoever ends its process from outside, if any."""
        if not (self.is_ended_from_outside and isinstance(as_known(error), Terminated)):
            return super().end_with(error)
        self._on_end = lambda release: None
        return super().end_with(error)

    def end(self, release: Release, seconds: float) -> bool:
        """End the run in the words of `release`; one that was cancelled is not finished."""
        forget(self)
        hush(self._leave_word)
        if self._console is not None:
            self.before_end(self._console.close)  # after all that others print before the end
            self._console = None
        if self._is_cancelled and release.outcome == "finished":
            release = Release(outcome="cancelled", stop_reason=StopReason.USER, stop_message=release.stop_message)
        return super().end(release, seconds)

    def _leave_word(self) -> None:
        """Let another process of this machine know that this one is about to end: it waits for that."""
        if self.reporter is not None:
            mark_leaving(self.reporter.journal.folder)

    def _tell_listening(self) -> None:
        if self.on_listen is not None:
            on_listen, self.on_listen = self.on_listen, None
            on_listen()

    def _open_first(self, item: Any) -> None:
        """Report something, after the segment that it belongs to."""
        with self._opening:
            if isinstance(item, CheckpointDurable) and item.segment < self.first_segment:
                self._found.append(item)  # what an earlier process wrote says nothing of where this one begins
                return
            if isinstance(item, SegmentOpened):
                self._put = self._report
            elif not isinstance(item, Progress) and (step := _step_of(item)) is not None:
                self._open_before(step)
        self._report(item)

    def _open_before(self, step: int) -> None:
        if self._put == self._open_first:
            said = self.step
            self._open(max(step - 1, 0), None)
            self.step = max(said, step)

    def _open(self, step: int, checkpoint: str | None) -> None:
        self._put = self._report
        parent = self.past.find_parent(step)
        if checkpoint is None and parent is not None and self._stopper_is_fresh:
            self.past.judge(self.judge, step)
        self.open_segment("start" if parent is None else "resume", step, parent, checkpoint, self.overrides)
        for item in self._found:
            self._report(item)

    @property
    def _stopper_is_fresh(self) -> bool:
        policy = self.stopper_state()["policy"]
        return bool(policy) and policy.get("decision") is None


def _step_of(item: Any) -> int | None:
    step = item[0] if isinstance(item, tuple) else getattr(item, "step", None)
    return step if isinstance(step, int) else None
