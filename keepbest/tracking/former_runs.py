"""The runs that a thread of this process began and has not ended: the next `init` in it ends them, and says so.

A notebook's cell is run again, a loop begins a run for each of its models, and nobody called `finish`: the runs before
would look alive, their leases held, until the process ends. What a block (`with keepbest.init(…) as run:`) holds ends
with the block.
"""

from __future__ import annotations

import logging
import os
import sys
from threading import local
from types import FrameType
from typing import Protocol

from keepbest.tracking.process.exit import find_cause
from keepbest.tracking.process.heartbeat import Life

_log = logging.getLogger("keepbest")


class OpenRun(Protocol):
    """As much of `keepbest.tracking.run.Run` as ending it for another needs."""

    id: str
    life: Life
    is_fitting: bool

    def end_with(self, error: BaseException | None) -> bool: ...


class _Thread(local):
    def __init__(self) -> None:
        self.open: list[OpenRun] = []


_this = _Thread()


def note(run: OpenRun) -> None:
    """Take note of a run that began."""
    _this.open.append(run)


def forget(run: OpenRun) -> None:
    """Leave the run to itself: it ended, or a block ends it."""
    if run in _this.open:
        _this.open.remove(run)


def end_former() -> None:
    """End the runs that were left open.

    One of which nothing was said yet stays, for some begin all their runs first; and so does one whose fit goes on
    while another model is trained within it.
    """
    for run in [run for run in _this.open if run.life.count and not (run.is_fitting and _is_within_fit())]:
        _log.warning(
            "keepbest: run %s was still open, and another one begins: it is ended. To have several at once, begin "
            "each in a block: with keepbest.init(…) as run.",
            run.id,
        )
        run.end_with(find_cause(is_broken_off=run.is_fitting))


def _is_within_fit() -> bool:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "fit" and str(frame.f_globals.get("__name__")).startswith("keras."):
            return True
        frame = frame.f_back
    return False


os.register_at_fork(after_in_child=lambda: _this.open.clear())  # they are its parent's
