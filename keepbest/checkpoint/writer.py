"""The background writer: training never waits for a disk.

One thread writes the states that it gets. If states come faster than the disk takes them, only the newest waits, and
the writer reports the skipped ones. Only a newer best replaces a waiting best, and nothing replaces a checkpoint that
somebody asked for. If the store cannot be written (a mount went away, a disk is full), the writer keeps the newest best
and the newest last and tries again until it can. No error of the writer reaches training.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakSet

from keepbest.checkpoint.store import CheckpointInfo, Written
from keepbest.errors import CheckpointError, NotTheStore, StoreUnavailable
from keepbest.snapshots.state import State

#: The niceness of the writer's thread and of threads that it starts, so that training's threads go first. (Linux has a
#: niceness for each thread.) `SCHED_IDLE` would cost training less, but on a busy machine such a thread may stand still
#: for long while it holds Python's lock.
_NICENESS = 19
#: The pause before the writer tries again to write a state.
AGAIN_SECONDS = 2.0
#: How long a reader of checkpoints waits for those that are still being written.
WAIT_SECONDS = 30.0
#: How long the end of a run waits for a store that went away.
AWAY_SECONDS = 30.0


#: The open writers of this process: each one's thread holds it until it is closed.
_writers: WeakSet[CheckpointWriter] = WeakSet()
_registering = threading.Lock()


@dataclass(frozen=True)
class Task:
    """A state on its way to the disk."""

    state: State
    about: CheckpointInfo

    def outruns(self, waiting: Task) -> bool:
        """Whether this newer task makes writing the `waiting` one useless."""
        kinds = {"best": ("best", "last"), "last": ("last",)}
        return waiting.about.kind in kinds.get(self.about.kind, ())


class Sink(Protocol):
    """Takes states: a store."""

    def write(self, state: State, about: CheckpointInfo) -> Written: ...


def wait_for_writers(run: str, deadline_seconds: float = WAIT_SECONDS) -> None:
    """Wait until this process has written the checkpoints of `run` that are on their way."""
    with _registering:
        writers = tuple(_writers)
    for writer in writers:
        if writer.is_writing(run):
            writer.drain(deadline_seconds)


def _ignore(*_: object) -> None:
    """Do nothing: the default of the callables."""


class CheckpointWriter:
    """Writes states to a store in a thread of its own, which also calls the callables.

    The writer asks `admit` before it writes a state, and writes only admitted ones. Without a store it only asks.
    """

    def __init__(
        self,
        store: Sink | None,
        *,
        admit: Callable[[Task], bool] = lambda task: True,
        on_durable: Callable[[Written], object] = _ignore,
        on_skipped: Callable[[Task], object] = _ignore,
        on_error: Callable[[Task, Exception], object] = _ignore,
        on_delayed: Callable[[Task, StoreUnavailable], object] = _ignore,
    ) -> None:
        self._store = store
        self._admit = admit
        self._on_durable, self._on_skipped, self._on_error = on_durable, on_skipped, on_error
        self._on_delayed = on_delayed
        self._waiting: deque[Task] = deque()
        #: Tasks that failed and wait for the next try, with their errors, in the order of their steps.
        self._left: list[tuple[Task, StoreUnavailable]] = []
        self._busy: Task | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="keepbest-writer", daemon=True)
        self._thread.start()
        with _registering:
            _writers.add(self)

    def submit(self, state: State, about: CheckpointInfo, *, is_late: bool = False) -> None:
        """Hand over a state; returns at once. The writer skips waiting states that this one outruns.

        A late state was skipped for another one that was then not admitted: it goes first and outruns nothing.
        """
        task = Task(state, about)
        with self._changed:
            if self._closed:
                raise CheckpointError("The checkpoint writer is closed.", hint="Make a new one for a new fit.")
            if is_late:
                self._waiting.appendleft(task)
                return
            skipped = [old for old in (*(left for left, _ in self._left), *self._waiting) if task.outruns(old)]
            outrun = {id(old) for old in skipped}
            self._left = [pair for pair in self._left if id(pair[0]) not in outrun]
            self._waiting = deque(old for old in self._waiting if id(old) not in outrun)
            self._waiting.append(task)
            self._changed.notify_all()
        for old in skipped:
            self._on_skipped(old)

    def is_writing(self, run: str) -> bool:
        """Whether a state of `run` is on its way; always False in the writer's own thread."""
        with self._changed:
            on_their_way = (self._busy, *self._waiting, *(task for task, _ in self._left))
        here = threading.current_thread() is self._thread
        return not here and any(task is not None and task.about.run == run for task in on_their_way)

    def drain(self, deadline_seconds: float | None = None) -> bool:
        """Wait until each state is on disk or has failed; return whether that came in time.

        Training waits too, so the writer's thread gets the usual niceness meanwhile, if the system allows.
        """
        with self._changed:
            self._try_again()
            self._set_niceness(0)
            done = self._changed.wait_for(lambda: not self._waiting and not self._busy, deadline_seconds)
            self._set_niceness(_NICENESS)
            return done

    def close(self, deadline_seconds: float | None = None) -> bool:
        """Drain, then end the thread; return whether each state was written, or given up, in time."""
        until = time.monotonic() + min(AWAY_SECONDS, AWAY_SECONDS if deadline_seconds is None else deadline_seconds)
        drained = self.drain(deadline_seconds)
        while drained and self._is_away and time.monotonic() < until:
            time.sleep(AGAIN_SECONDS / 4)
            drained = self.drain(deadline_seconds)
        with self._changed:
            self._closed = True
            left, self._left = self._left, []
            self._changed.notify_all()
        for task, error in left:
            self._on_error(task, error)
        if drained:
            self._thread.join(deadline_seconds)
        return drained

    def _run(self) -> None:
        self._set_niceness(_NICENESS)
        while (task := self._take()) is not None:
            try:
                self._write(task)
            finally:
                del task  # frees the memory of its tensors
                with self._changed:
                    self._busy = None
                    self._changed.notify_all()

    def _take(self) -> Task | None:
        with self._changed:
            while not (self._waiting or self._closed):
                if not self._changed.wait(AGAIN_SECONDS if self._left else None):
                    self._try_again()
            if not self._waiting:
                return None
            self._busy = self._waiting.popleft()
            return self._busy

    def _write(self, task: Task) -> None:
        try:
            if self._admit(task) and self._store is not None:
                self._on_durable(self._store.write(task.state, task.about))
        except StoreUnavailable as error:
            with suppress(Exception):
                self._put_off(task, error)
        except Exception as error:  # training goes on after any error
            with suppress(Exception):
                self._on_error(task, error)

    def _put_off(self, task: Task, error: StoreUnavailable) -> None:
        """Keep a best or last for the next try; report the error of any other checkpoint at once."""
        if task.about.kind not in ("best", "last"):
            self._on_error(task, error)
            return
        with self._changed:
            is_outrun = any(newer.outruns(task) for newer in self._waiting)
            if not is_outrun:
                self._left.append((task, error))
        if is_outrun:
            self._on_skipped(task)
        else:
            self._on_delayed(task, error)

    def _try_again(self) -> None:
        self._waiting.extendleft(task for task, _ in reversed(self._left))
        self._left.clear()
        self._changed.notify_all()

    @property
    def _is_away(self) -> bool:
        with self._changed:
            return any(isinstance(error, NotTheStore) for _, error in self._left)

    def _set_niceness(self, niceness: int) -> None:
        """Set the niceness of the writer's thread, if the system can do that and allows it."""
        if self._thread.native_id is not None and self._thread.is_alive():
            with suppress(OSError, AttributeError):
                os.setpriority(os.PRIO_PROCESS, self._thread.native_id, niceness)


os.register_at_fork(after_in_child=_writers.clear)  # the writers' threads run only in the parent
