"""Makes the panels of a run in a thread, at the best validations and each n-th, within a share of training's time."""

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

#: The share of training's time that panels may take; the first and the last panels do not count.
SHARE = 0.05
_log = logging.getLogger("keepbest")


class Painter:
    """Makes panels of the newest snapshot in a thread of its own, and calls `say` with each panel from that thread."""

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
        """Make a copy of the network before training; return whether that works."""
        try:
            self._replica = Replica(model)
        except Exception as error:  # copying a user's layer may raise anything, and must not end the run
            _log.warning("This run has no panels: copying its network failed (%s: %s).", type(error).__name__, error)
            return False
        return True

    def draw_graph(self, segment: int, step: int) -> None:
        """Make the panel of the network's graph. Once is enough: the graph does not change."""
        if self._replica is None or (graph := self._replica.draw(self._scene.x, self._scene.y)) is None:
            return
        try:
            self._say(PanelMade(segment=segment, step=step, name="graph", data=graph, at=datetime.now(UTC)))
        except ValueError as error:  # the graph holds a value that no record may hold
            _log.warning("This run has no graph panel: %s", error)

    def wants(self, *, is_best: bool) -> bool:
        """Whether this validation gets panels: the first, the best ones and each n-th do. Call it once a validation."""
        is_due = is_best or self._validations % self._every == 0
        self._validations += 1
        return is_due and self._replica is not None

    def put(self, state: State, segment: int) -> None:
        """Take a snapshot for panels. It replaces an older one that still waits."""
        with self._changed:
            self._waiting = (state, segment)
            if self._thread is None:
                self._ends = False
                self._thread = Thread(target=self._work, name="keepbest-painter", daemon=True)
                self._thread.start()
            self._changed.notify()

    @property
    def is_idle(self) -> bool:
        """Whether no snapshot waits and the thread is making no panels."""
        with self._changed:
            return self._waiting is None and not self._is_painting

    def close(self, last: list[tuple[State, int]]) -> None:
        """End the thread, and make the panels of `last` (the best and the last state) that are still missing."""
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
            # The first panels also trace the network, so their time says nothing about later ones.
            rest = 0.0 if is_first else (ended - began) * (1 / self._share - 1)
            with self._changed:
                self._rests_until = ended + rest
                self._is_painting = False

    def _take(self) -> tuple[State, int] | None:
        """Wait until there is a snapshot and the share of the time allows its panels; None at the end."""
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
        except Exception as error:  # a user's network may raise anything, and must not end the run
            _log.warning("The panels of step %d failed: %s: %s", state.step, type(error).__name__, error)
            self._replica = None
