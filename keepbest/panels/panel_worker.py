"""Makes the panels of a run: at validations that are best or every n-th, in a thread, never more than a share of the
time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Condition, Thread
from typing import Any

from keepbest.contract.panels import PanelMade
from keepbest.panels.choose import paint
from keepbest.panels.examples import Scene
from keepbest.panels.shadow_model import Replica
from keepbest.snapshots.state import State

#: Of the time that training takes, what panels may take; the first and the last are made whatever they cost.
SHARE = 0.05
_log = logging.getLogger("keepbest")


class Painter:
    """One thread that paints the newest snapshot it was given. `say` takes what it made, from that thread."""

    def __init__(
        self,
        scene: Scene,
        say: Callable[[PanelMade], None],
        *,
        every: int = 10,
        share: float = SHARE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scene = scene
        self._say = say
        self._every = every
        self._share = share
        self._clock = clock
        self._replica: Replica | None = None
        self._waiting: tuple[State, int] | None = None
        self._painted: set[str] = set()
        self._validations = 0
        self._rests_until = 0.0
        self._ends = False
        self._is_painting = False
        self._changed = Condition()
        self._thread: Thread | None = None

    def begin(self, model: Any) -> bool:
        """Make the second network, before training; return whether this network can be shown at all."""
        try:
            self._replica = Replica(model)
        except Exception as error:  # whatever a user's layer does when it is copied: panels are not worth a run
            _log.warning("No panels are made: the network cannot be copied (%s: %s).", type(error).__name__, error)
            return False
        return True

    def draw_graph(self, segment: int, step: int) -> None:
        """Say how the network computes; once is enough, it does not change."""
        if self._replica is None or (graph := self._replica.draw(self._scene.x, self._scene.y)) is None:
            return
        try:
            self._say(PanelMade(segment=segment, step=step, name="graph", data=graph, at=datetime.now(UTC)))
        except ValueError as error:  # it holds what no record does
            _log.warning("No graph is shown: %s", error)

    def wants(self, *, is_best: bool) -> bool:
        """Whether this validation is painted: the first, the best ones and each n-th are. Asked once a validation."""
        is_due = is_best or self._validations % self._every == 0
        self._validations += 1
        return is_due and self._replica is not None

    def put(self, state: State, segment: int) -> None:
        """Take a snapshot to paint; the newest one waits, the others are left out."""
        with self._changed:
            self._waiting = (state, segment)
            if self._thread is None:
                self._ends = False
                self._thread = Thread(target=self._work, name="keepbest-painter", daemon=True)
                self._thread.start()
            self._changed.notify()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is being painted."""
        with self._changed:
            return self._waiting is None and not self._is_painting

    def close(self, last: list[tuple[State, int]]) -> None:
        """Paint what must not be missing (the best, the last), and end the thread."""
        with self._changed:
            thread, self._thread, self._ends, self._waiting = self._thread, None, True, None
            self._changed.notify()
        if thread is not None:
            thread.join()
        for state, segment in last:
            if state.id not in self._painted:
                self._paint(state, segment)

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            began, is_first = self._clock(), not self._painted
            self._paint(*taken)
            ended = self._clock()
            # The first one also makes what the others use again: it says nothing of what they cost.
            rest = 0.0 if is_first else (ended - began) * (1 / self._share - 1)
            with self._changed:
                self._rests_until = ended + rest
                self._is_painting = False

    def _take(self) -> tuple[State, int] | None:
        """Wait until there is something to paint and the share of the time allows it."""
        with self._changed:
            while not self._ends:
                rest = self._rests_until - self._clock()
                if self._waiting is not None and rest <= 0:
                    taken, self._waiting, self._is_painting = self._waiting, None, True
                    return taken
                self._changed.wait(rest if rest > 0 else None)
        return None

    def _paint(self, state: State, segment: int) -> None:
        if self._replica is None:
            return
        self._painted.add(state.id)
        try:
            self._replica.put(state)
            for name, data in paint(self._replica, self._scene):
                at = datetime.now(UTC)
                self._say(PanelMade(segment=segment, step=state.step, name=name, snapshot=state.id, data=data, at=at))
        except Exception as error:  # a network may do anything when it answers: panels are not worth a run
            _log.warning("No panels of step %d: %s: %s", state.step, type(error).__name__, error)
            self._replica = None
