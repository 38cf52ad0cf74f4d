"""How a run ends: what waits goes to the disk, all that was said to the tracker, and whoever holds the lease hears."""

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
from keepbest.tracking.commands import Commands
from keepbest.tracking.process.console import Console
from keepbest.tracking.process.exit import Terminated, announce, end_in_peace, hush, shielded, watch
from keepbest.tracking.reclaim import mark_leaving
from keepbest.tracking.recorder import Recorder
from keepbest.tracking.sinks import EndedSink

_INTERRUPTED = "Interrupted from the keyboard."

_log = logging.getLogger("keepbest")


class RunEnd:
    """Ends a run, once. `on_end` is told how, after everything the run said was sent, and may raise LeaseLost."""

    def __init__(self, run: str, recorder: Recorder, commands: Commands, on_end: Callable[[Release], None]) -> None:
        self._run = run
        self._recorder = recorder
        self._commands = commands
        self._on_end = on_end
        self._before: list[Callable[[], object]] = []
        self._at_exit: Callable[[], object] | None = None
        self._console: Console | None = None
        self._pid = os.getpid()
        self._has_ended = self._is_silent = False

    def before(self, call: Callable[[], object]) -> None:
        """Have `call` called before the run says that it ended."""
        self._before.append(call)

    def watch(self, at_exit: Callable[[], object]) -> None:
        """Have the run end with the process, however that ends: `at_exit` is called then."""

        def end_at_exit() -> None:
            end_in_peace()
            at_exit()

        watch()
        announce(self._leave_word)
        self._at_exit = end_at_exit
        atexit.register(end_at_exit)

    def keep_console(self, printed: int) -> None:
        """Keep what this process prints, until the run ends, behind so many bytes that are recorded already."""
        try:
            self._console = Console(self._recorder.say, printed)
        except OSError as error:
            _log.warning("keepbest: the console cannot be kept: %s.", error.strerror or error)

    def stay_silent(self) -> None:
        """Have `on_end` hear nothing: whoever ends the process says how the run ended."""
        self._is_silent = True

    def end(self, release: Release, seconds: float) -> bool:
        """End the run in the words of `release`; one that was cancelled is not finished.

        Return whether the tracker has everything after `seconds`, and the run was still this script's.
        """
        hush(self._leave_word)
        if self._has_ended or os.getpid() != self._pid:  # a forked child has no threads: the run is its parent's
            return True
        self._has_ended = True
        if self._at_exit is not None:
            atexit.unregister(self._at_exit)
        if self._console is not None:
            self._before.append(self._console.close)  # after all that others print before the end
        if self._commands.is_cancelled and release.outcome == "finished":
            release = Release(outcome="cancelled", stop_reason=StopReason.USER, stop_message=release.stop_message)
        with shielded():
            return self._end(release, seconds)

    def _end(self, release: Release, seconds: float) -> bool:
        life, uploader = self._recorder.life, self._recorder.uploader
        with life.slowly():
            for call in self._before:
                call()
        life.is_over = True
        if uploader is None:
            self._tell(release)
            return True
        complete = uploader.drain(seconds) and not isinstance(uploader.lost_to, LeaseLost)
        missing = uploader.journal.set_aside
        is_own = self._tell(release)
        self._close(uploader, is_complete=complete)
        return complete and is_own and not missing

    def _tell(self, release: Release) -> bool:
        """Return whether the run was still this script's."""
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
                "keepbest: not everything reached the tracker; the rest of run %s is kept in %s.",
                self._run,
                uploader.journal.folder,
            )

    def _leave_word(self) -> None:
        """Let another process of this machine know that this one is about to end: it waits for that."""
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
    """Return the end of a run that came to its end; the reason is that of the stopper where none is given."""
    stopped = decision if decision is not None and decision.stop else None
    return Release(
        outcome="finished",
        stop_reason=reason or (stopped.reason if stopped else None),
        stop_message=message or (stopped.message if stopped else None),
        test=test,
        selection=selection,
    )


def failed(error: RunError) -> Release:
    """Return the end of a run that failed."""
    return Release(outcome="failed", stop_reason=StopReason.ERROR, stop_message=error.message[:2000], error=error)


def broken_off(error: BaseException) -> Release:
    """Return the end of a run whose process was ended, from the keyboard or by SIGTERM."""
    message = "Its process was ended by SIGTERM." if isinstance(error, Terminated) else _INTERRUPTED
    return Release(outcome="cancelled", stop_reason=StopReason.USER, stop_message=message)
