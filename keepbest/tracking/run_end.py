"""How a run ends: states go to disk, records and files to the tracker, and then the Release to the lease holder."""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Callable

from keepbest.contract.runs import RunError, TestResult
from keepbest.contract.selections import Selection
from keepbest.contract.workers import Release
from keepbest.errors import LeaseLost
from keepbest.journal.uploader import Uploader
from keepbest.status import StopReason
from keepbest.stopping import Decision
from keepbest.tracking.artifacts import ArtifactLogger
from keepbest.tracking.commands import Commands
from keepbest.tracking.process.console import Console
from keepbest.tracking.process.exit import Terminated, announce, end_in_peace, hush, shielded, watch
from keepbest.tracking.reclaim import mark_leaving
from keepbest.tracking.recorder import Recorder
from keepbest.tracking.sinks import EndedSink

_INTERRUPTED = "Interrupted from the keyboard."

_log = logging.getLogger("keepbest")


class RunEnd:
    """Ends a run, once. `on_end` gets the Release after every record was sent, and may raise LeaseLost."""

    def __init__(
        self,
        run: str,
        recorder: Recorder,
        artifacts: ArtifactLogger,
        commands: Commands,
        on_end: Callable[[Release], None],
    ) -> None:
        self._run = run
        self._recorder = recorder
        self._artifacts = artifacts
        self._commands = commands
        self._on_end = on_end
        self._before: list[Callable[[], object]] = []
        self._at_exit: Callable[[], object] | None = None
        self._console: Console | None = None
        self._pid = os.getpid()
        self._has_ended = self._is_silent = False
        #: How the run ended; None while it goes on.
        self.outcome: str | None = None

    def before(self, call: Callable[[], object]) -> None:
        """Call `call` before the run reports its end."""
        self._before.append(call)

    def watch(self, at_exit: Callable[[], object]) -> None:
        """Call `at_exit` when the process ends, however it ends."""

        def end_at_exit() -> None:
            end_in_peace()
            at_exit()

        watch()
        announce(self._leave_word)
        self._at_exit = end_at_exit
        atexit.register(end_at_exit)

    def keep_console(self, printed: int) -> None:
        """Record the output of this process until the run ends; `printed` bytes are already recorded."""
        try:
            self._console = Console(self._recorder.say, printed)
        except OSError as error:
            _log.warning("keepbest: the console's output cannot be recorded: %s.", error.strerror or error)

    def stay_silent(self) -> None:
        """Do not call `on_end`: the worker that ends the process reports how the run ended."""
        self._is_silent = True

    def end(self, release: Release, seconds: float) -> bool:
        """End the run with `release`; a cancelled run is never reported as finished.

        Returns whether the tracker has every record after `seconds`, and this script still held the run.
        """
        hush(self._leave_word)
        if self._has_ended or os.getpid() != self._pid:  # a forked child has no threads: the run is its parent's
            return True
        self._has_ended = True
        if self._at_exit is not None:
            atexit.unregister(self._at_exit)
        if self._console is not None:
            self._before.append(self._console.close)  # last, because the other calls may print
        if self._commands.is_cancelled and release.outcome == "finished":
            release = Release(outcome="cancelled", stop_reason=StopReason.USER, stop_message=release.stop_message)
        self.outcome = release.outcome
        with shielded():
            return self._end(release, seconds)

    def _end(self, release: Release, seconds: float) -> bool:
        life, uploader = self._recorder.life, self._recorder.uploader
        with life.slowly():
            for call in self._before:
                call()
            has_files = self._artifacts.end(seconds, is_patient=release.outcome != "cancelled")
        life.is_over = True
        if uploader is None:
            self._report_end(release)
            return True
        complete = uploader.drain(seconds) and has_files and not isinstance(uploader.lost_to, LeaseLost)
        missing = uploader.journal.set_aside
        is_own = self._report_end(release)
        self._close(uploader, is_complete=complete)
        return complete and is_own and not missing

    def _report_end(self, release: Release) -> bool:
        """Call `on_end`; return whether this script still held the run."""
        try:
            if not self._is_silent:
                self._on_end(release)
        except LeaseLost:
            return False
        return True

    def _close(self, uploader: Uploader, *, is_complete: bool) -> None:
        uploader.close()
        self._recorder.sink = EndedSink(self._run)
        if not is_complete:
            _log.warning(
                "keepbest: the tracker does not have all of run %s yet; the rest is kept in %s.",
                self._run,
                uploader.journal.folder,
            )

    def _leave_word(self) -> None:
        """Tell other processes of this machine that this process is about to end, so that they wait."""
        if self._recorder.uploader is not None:
            mark_leaving(self._recorder.uploader.journal.folder)


def finished(
    decision: Decision | None,
    reason: StopReason | None,
    message: str | None,
    *,
    test: TestResult | None,
    selection: Selection | None,
) -> Release:
    """Return the Release of a finished run; without `reason`, with the stopper's reason."""
    stopped = decision if decision is not None and decision.stop else None
    return Release(
        outcome="finished",
        stop_reason=reason or (stopped.reason if stopped else None),
        stop_message=message or (stopped.message if stopped else None),
        test=test,
        selection=selection,
    )


def failed(error: RunError) -> Release:
    """Return the Release of a failed run."""
    return Release(outcome="failed", stop_reason=StopReason.ERROR, stop_message=error.message[:2000], error=error)


def broken_off(error: BaseException) -> Release:
    """Return the Release of a run whose process Ctrl-C or SIGTERM ended."""
    message = "SIGTERM ended its process." if isinstance(error, Terminated) else _INTERRUPTED
    return Release(outcome="cancelled", stop_reason=StopReason.USER, stop_message=message)
