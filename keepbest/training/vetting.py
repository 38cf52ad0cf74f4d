"""Checks each best after it was judged: a network that became NaN is none, and the best goes back to the one before.

A value does not show it, and looking at all weights takes longer than training may be held up: so the writer's thread
does it, before it writes. What it finds is the run's truth from then on: in the stopper, in memory, on disk (where such
a state never comes to be), and in the decision log as an entry of its own.
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

NOT_KEPT = "nothing of it is kept that could be checked"

_log = logging.getLogger("keepbest")


@dataclass(frozen=True)
class BestUnderCheck:
    """A validation that was judged the best: where it lies in the run, and what holds its state."""

    id: str
    segment: int
    step: int
    value: float


class Vetting:
    """Asks of every best whether its network is sound. `begin` and `expect` are called by the thread that trains.

    `rewrite` has a state written that was skipped there for one that is no best.
    """

    def __init__(self, run: Run, ring: SnapshotBuffer, rewrite: Callable[[State], object]) -> None:
        self._run = run
        self._ring = ring
        self._rewrite = rewrite
        self._checking = RLock()
        self._soundness = Soundness()
        self._expected: dict[str, BestUnderCheck] = {}

    def begin(self, living: VariableSet) -> None:
        """Take note of what is trained, as it is before its first step."""
        self._soundness.begin(living)
        self._run.stopper.is_checked = True

    def expect(self, state: State, segment: int, value: float) -> None:
        """Say that a best is about to be checked."""
        self._expected[state.id] = BestUnderCheck(state.id, segment, state.step, value)

    def find_fault(self, state: State) -> str | None:
        """Return what is wrong with a state. Where it is that of a best, the run hears of it: that may take it back."""
        with self._checking:
            fault = self._soundness.find_fault(state)
            best = self._expected.get(state.id)
            if best is not None and fault is None:
                self._confirm(best)
            elif best is not None and fault is not None:
                self._withdraw(best, fault)
            return fault

    def check_best(self) -> None:
        """Come to a best that is sound, now: training is about to go back to it."""
        with self._checking:
            while (best := self._ring.best) is not None and best.id in self._expected:
                self.find_fault(best)

    def _confirm(self, best: BestUnderCheck) -> None:
        """Those that came before it are sound too: nothing heals a network that has become NaN."""
        self._run.stopper.confirm(best.step, best.value)
        ids = list(self._expected)
        for id in ids[: ids.index(best.id) + 1]:
            del self._expected[id]

    def _withdraw(self, best: BestUnderCheck, fault: str) -> None:
        """Take a best back, and those before it for as long as they are no better."""
        while self._take_back(best, fault) and (before := self._find_before()) is not None:
            held = next((state for state in self._ring.states if state.id == before.id), None)
            text = NOT_KEPT if held is None else self._soundness.find_fault(held)
            if held is not None and text is None:
                self._confirm(before)
                self._rewrite(held)
                return
            best, fault = before, text or NOT_KEPT

    def _take_back(self, best: BestUnderCheck, fault: str) -> bool:
        """Return whether it was a best until now, and one that was still to be checked."""
        del self._expected[best.id]
        decision = self._run.stopper.withdraw(best.step, best.value, fault)
        if decision is None:
            return False
        self._ring.withdraw(best.id, decision.best_step)
        self._run.recorder.record_withdrawal(best.segment, best.step, best.value, fault, decision, best.id)
        there = "" if decision.best_step is None else f"; the best is step {decision.best_step} again"
        _log.warning("keepbest: step %d is withdrawn as the best: %s%s.", best.step, fault, there)
        return True

    def _find_before(self) -> BestUnderCheck | None:
        """Return the best as it is now, if it is still to be checked: the disk skipped it for a newer one."""
        place = self._run.stopper.best
        return next(
            (
                best_under_check
                for best_under_check in self._expected.values()
                if (best_under_check.step, best_under_check.value) == place
            ),
            None,
        )
