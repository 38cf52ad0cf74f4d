"""The run that a script means when it names none: `keepbest.log(…)`, `keepbest.run`.

It is the newest run that this thread began and has not ended; in a thread that began none, the newest of the process.
"""

from __future__ import annotations

import os
from threading import Lock, get_ident
from typing import Any

_lock = Lock()
_open: list[tuple[int, Any]] = []


def begin(run: Any) -> None:
    """Note a run that began."""
    with _lock:
        _open.append((get_ident(), run))


def end(run: Any) -> None:
    """Forget a run that has ended."""
    with _lock:
        _open[:] = [entry for entry in _open if entry[1] is not run]


def find() -> Any | None:
    """Return the run, or None."""
    with _lock:
        own = [run for thread, run in _open if thread == get_ident()]
        every = own or [run for _, run in _open]
    return every[-1] if every else None


def list_open() -> list[Any]:
    """Return the open runs of all threads, the oldest first."""
    with _lock:
        return [run for _, run in _open]


def forget_all() -> None:
    """Forget every run."""
    _open.clear()


os.register_at_fork(after_in_child=forget_all)  # the runs belong to the parent process
