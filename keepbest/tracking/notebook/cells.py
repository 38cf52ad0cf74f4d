"""Notes which runs trained in a cell that an error or an interruption broke off.

A notebook goes on after such a cell, and so may a run. Where it does not, the kernel's end or the next run ends it, as
the cell ended: cancelled after an interruption, failed after an error.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from keepbest.tracking import current_run
from keepbest.tracking.notebook.live_card import find_shell

_watched: set[int] = set()
#: The signs of life of each open run before the present cell.
_before: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
#: The error of the last cell that a run trained in, and the run's signs of life after it.
_broken: WeakKeyDictionary[Any, tuple[int, BaseException]] = WeakKeyDictionary()


def watch_cells() -> None:
    """Watch the cells of this notebook from now on."""
    shell = find_shell()
    if shell is None or id(shell) in _watched:
        return
    _watched.add(id(shell))
    shell.events.register("pre_run_cell", begin_cell)
    shell.events.register("post_run_cell", end_cell)


def begin_cell(*_: Any) -> None:
    """Note how far the open runs are."""
    for run in current_run.list_open():
        _before[run] = run.life.count


def end_cell(result: Any = None, *_: Any) -> None:
    """Note what broke the cell off, for the runs that trained in it."""
    error = getattr(result, "error_in_exec", None)
    for run in current_run.list_open():
        count = run.life.count
        if count != _before.get(run, 0):
            _broken.pop(run, None)
            if isinstance(error, BaseException):
                _broken[run] = count, error
        _before[run] = count


def find_broken(run: Any) -> BaseException | None:
    """Return what broke the cell off in which the run trained last, unless it has trained on since."""
    count, error = _broken.get(run, (None, None))
    return error if count == run.life.count else None
