"""The runs that a thread began and never ended: the next `init` in the thread ends them, with a warning.

A notebook runs a cell again, or a loop begins a run for each of its models, and the script never calls `finish`. The
earlier runs would look alive, and keep their leases, until the process ends. A run in a block
(`with keepbest.init(…) as run:`) ends with the block.
"""

from __future__ import annotations

import logging
import os
import sys
from threading import local
from types import FrameType
from typing import Protocol

from keepbest.tracking.process.heartbeat import Life

_log = logging.getLogger("keepbest")


class OpenRun(Protocol):
    """The part of `keepbest.tracking.run.Run` that ends a run."""

    id: str
    life: Life
    is_fitting: bool

    def find_cause(self) -> BaseException | None: ...

    def end_with(self, error: BaseException | None) -> bool: ...


class _Thread(local):
    def __init__(self) -> None:
        self.open: list[OpenRun] = []


_this = _Thread()


def note(run: OpenRun) -> None:
    """Add a run that began to the open runs of this thread."""
    _this.open.append(run)


def forget(run: OpenRun) -> None:
    """Remove a run that has ended, or that a block ends, from the open runs."""
    if run in _this.open:
        _this.open.remove(run)


def end_former() -> None:
    """End the open runs of this thread.

    A run that has logged nothing stays open, because some scripts begin all their runs first. A run stays open too
    while its fit goes on and another model trains within that fit.
    """
    for run in [run for run in _this.open if run.life.count and not (run.is_fitting and _is_within_fit())]:
        _log.warning(
            "keepbest: run %s was still open when another run began, so keepbest ended it. To have several runs at "
            "once, begin each in a block: with keepbest.init(…) as run.",
            run.id,
        )
        run.end_with(run.find_cause())


def _is_within_fit() -> bool:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "fit" and str(frame.f_globals.get("__name__")).startswith("keras."):
            return True
        frame = frame.f_back
    return False


os.register_at_fork(after_in_child=lambda: _this.open.clear())  # the runs belong to the parent process
