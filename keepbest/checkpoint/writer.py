"""The background writer: training never waits for a disk.

One thread writes what it is handed. Where states come faster than the disk takes them only the newest waits, and the
skipped ones are reported; a best is only outrun by a newer best, and what was asked for is never skipped. No error in
here reaches training.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from keepbest.checkpoint.store import About, Written
from keepbest.errors import CheckpointError
from keepbest.snapshots.state import State

#: On Linux a thread has a niceness of its own, and hands it to those it starts: training's threads go first. Not
#: `SCHED_IDLE`, which costs training less still: on a machine with other work a thread of it may stand still for
#: long, and it may hold Python's lock just then.
_NICENESS = 19


@dataclass(frozen=True)
class Task:
    """A state on its way to the disk."""

    state: State
    about: About

    def outruns(self, waiting: Task) -> bool:
        """Whether this newer one makes writing that one useless."""
        kinds = {"best": ("best", "last"), "last": ("last",)}
        return waiting.about.kind in kinds.get(self.about.kind, ())


class Sink(Protocol):
    """Where states go: a store, mostly."""

    def write(self, state: State, about: About) -> Written: ...


def _ignore(*_: object) -> None:
    """Stand in for a callable that nobody gave."""


class Writer:
    """Writes states to a store in a thread of its own. The callables are called from that thread.

    `admit` is asked of each before it is written; one that it does not admit is not written. Without a store the states
    are only asked of.
    """

    def __init__(
        self,
        store: Sink | None,
        *,
        admit: Callable[[Task], bool] = lambda task: True,
        on_durable: Callable[[Written], object] = _ignore,
        on_skipped: Callable[[Task], object] = _ignore,
        on_error: Callable[[Task, Exception], object] = _ignore,
    ) -> None:
        self._store = store
        self._admit = admit
        self._on_durable, self._on_skipped, self._on_error = on_durable, on_skipped, on_error
        self._waiting: deque[Task] = deque()
        self._busy = False
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="keepbest-writer", daemon=True)
        self._thread.start()

    def submit(self, state: State, about: About, *, is_late: bool = False) -> None:
        """Hand over a state; returns at once. What waits and is outrun by it is skipped.

        One that comes late, because it was skipped for one that was not admitted then, outruns nothing and goes first.
        """
        task = Task(state, about)
        with self._changed:
            if self._closed:
                raise CheckpointError("The checkpoint writer is closed.", hint="Make a new one for a new fit.")
            if is_late:
                self._waiting.appendleft(task)
                return
            skipped = [waiting for waiting in self._waiting if task.outruns(waiting)]
            for old in skipped:
                self._waiting.remove(old)
            self._waiting.append(task)
            self._changed.notify_all()
        for old in skipped:
            self._on_skipped(old)

    def drain(self, deadline_seconds: float | None = None) -> bool:
        """Wait until everything handed over is on disk or has failed; return whether that came in time.

        Training waits too, so the writer goes as fast as others meanwhile, where the system lets it.
        """
        with self._changed:
            self._set_niceness(0)
            done = self._changed.wait_for(lambda: not self._waiting and not self._busy, deadline_seconds)
            self._set_niceness(_NICENESS)
            return done

    def close(self, deadline_seconds: float | None = None) -> bool:
        """Drain, then end the thread; return whether everything was written in time."""
        drained = self.drain(deadline_seconds)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if drained:
            self._thread.join(deadline_seconds)
        return drained

    def _run(self) -> None:
        self._set_niceness(_NICENESS)
        while (task := self._take()) is not None:
            try:
                self._write(task)
            finally:
                del task  # its tensors hold memory
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()

    def _take(self) -> Task | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return None
            self._busy = True
            return self._waiting.popleft()

    def _write(self, task: Task) -> None:
        try:
            if self._admit(task) and self._store is not None:
                self._on_durable(self._store.write(task.state, task.about))
        except Exception as error:  # whatever it is, training goes on; who cares was told
            with suppress(Exception):
                self._on_error(task, error)

    def _set_niceness(self, niceness: int) -> None:
        """Say how far training's threads go first, where the system can say so for one thread, and lets us."""
        if self._thread.native_id is not None and self._thread.is_alive():
            with suppress(OSError, AttributeError):
                os.setpriority(os.PRIO_PROCESS, self._thread.native_id, niceness)
