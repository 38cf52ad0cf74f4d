"""Checks each new best: if its network became NaN, the best is withdrawn, and the one before is the best again.

The monitored value does not show a NaN, and testing all weights would delay training. So the writer's thread tests them
before it writes. The result then counts everywhere: in the stopper, in memory, on disk (where such a state is never
written), and in the decision log as an entry of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import RLock

from keepbest.snapshots.buffer import SnapshotBuffer
from keepbest.snapshots.snapshot import VariableSet
from keepbest.snapshots.soundness import Soundness
from keepbest.snapshots.state import State
from keepbest.tracking.run import Run

NOT_KEPT = "its state is no longer kept and cannot be checked"

_log = logging.getLogger("keepbest")


@dataclass(frozen=True)
class BestUnderCheck:
    """A best validation whose network is not checked yet: the id of its state, and its place in the run."""

    id: str
    segment: int
    step: int
    value: float


class Vetting:
    """Checks that the network of every best is sound. The thread that trains calls `begin` and `expect`.

    `rewrite` writes a state that the writer skipped for a best that is now withdrawn.
    """

    def __init__(self, run: Run, buffer: SnapshotBuffer, rewrite: Callable[[State], object]) -> None:
        self._run = run
        self._buffer = buffer
        self._rewrite = rewrite
        self._checking = RLock()
        self._soundness = Soundness()
        self._expected: dict[str, BestUnderCheck] = {}
        #: The ids of states that are known to be sound.
        self._sound: set[str] = set()
        #: Called with the step and the fault of each best that is withdrawn, in whatever thread found it.
        self.on_withdrawn: Callable[[int, str], object] = lambda step, fault: None

    def begin(self, living: VariableSet) -> None:
        """Note which trained variables are finite before the first step."""
        self._soundness.begin(living)
        self._run.stopper.is_checked = True

    def expect(self, state: State, segment: int, value: float) -> None:
        """Note that the writer will check this best."""
        self._expected[state.id] = BestUnderCheck(state.id, segment, state.step, value)

    def find_fault(self, state: State) -> str | None:
        """Return the fault of a state, or None. For a best, this confirms it or withdraws it."""
        with self._checking:
            fault = self._soundness.find_fault(state)
            if fault is None:
                self._sound.add(state.id)
            best = self._expected.get(state.id)
            if best is not None and fault is None:
                self._confirm(best)
            elif best is not None and fault is not None:
                self._withdraw(best, fault)
            return fault

    def find_unknown_fault(self, state: State) -> str | None:
        """Return the fault of a state, or None; a state that was found sound is not checked again."""
        return None if state.id in self._sound else self.find_fault(state)

    def note_sound(self, state: State) -> None:
        """Note that a state is sound, since training has not begun yet."""
        self._sound.add(state.id)

    def check_best(self) -> None:
        """Check bests at once until one is sound: training is about to go back to it."""
        with self._checking:
            while (best := self._buffer.best) is not None and best.id in self._expected:
                self.find_fault(best)

    def _confirm(self, best: BestUnderCheck) -> None:
        """Confirm a best and all bests before it: a network that has become NaN never recovers."""
        self._run.stopper.confirm(best.step, best.value)
        ids = list(self._expected)
        for id in ids[: ids.index(best.id) + 1]:
            del self._expected[id]
            self._sound.add(id)

    def _withdraw(self, best: BestUnderCheck, fault: str) -> None:
        """Withdraw a best, and then each best before it that is not sound either."""
        while self._take_back(best, fault) and (before := self._find_before()) is not None:
            held = next((state for state in self._buffer.states if state.id == before.id), None)
            text = NOT_KEPT if held is None else self._soundness.find_fault(held)
            if held is not None and text is None:
                self._confirm(before)
                self._rewrite(held)
                return
            best, fault = before, text or NOT_KEPT

    def _take_back(self, best: BestUnderCheck, fault: str) -> bool:
        """Withdraw one best; return whether it was the best until now."""
        del self._expected[best.id]
        decision = self._run.stopper.withdraw(best.step, best.value, fault)
        if decision is None:
            return False
        self._buffer.withdraw(best.id, decision.best_step)
        self._run.recorder.record_withdrawal(best.segment, best.step, best.value, fault, decision, best.id)
        there = "" if decision.best_step is None else f"; the best is step {decision.best_step} again"
        _log.warning("keepbest: step %d is withdrawn as the best: %s%s.", best.step, fault, there)
        self.on_withdrawn(best.step, fault)
        return True

    def _find_before(self) -> BestUnderCheck | None:
        """Return the present best if it is not checked yet, because the writer skipped it for a newer one."""
        best = self._run.stopper.best
        return next((before for before in self._expected.values() if (before.step, before.value) == best), None)
