"""The snapshots that memory holds: the newest and the best one, within a number and a budget."""

from __future__ import annotations

from threading import Lock
from typing import Any

from keepbest import settings
from keepbest.contract.runs import Memory, Snapshot
from keepbest.memory_budget import budget_of
from keepbest.snapshots.state import State, VariableSpec


class SnapshotBuffer:
    """The newest snapshots and the best one, within a number and a memory budget.

    The oldest that is not the best goes first; the best stays, also where it alone is over the budget. What several
    hold in the same memory, because it did not change in between, counts once. Any thread may keep, and ask.

    Args:
        count: At most so many.
        memory: Bytes, `2GB`, or `25%` of the memory that is free now (default: KEEPBEST_SNAPSHOT_MEMORY, or that).
    """

    def __init__(self, count: int = 3, memory: int | str | None = None) -> None:
        self.count = count
        self.budget_bytes = budget_of(settings.load().snapshot_memory if memory is None else memory)
        self._states: tuple[State, ...] = ()
        self._best: State | None = None
        self._sized: tuple[tuple[VariableSpec, ...], int] = ((), 0)
        self._blocks: dict[str, dict[int, int]] = {}
        self._is_news = False
        self._changing = Lock()

    def keep(self, state: State, *, best: bool = False) -> None:
        """Add `state`; drop what is then too much."""
        with self._changing:
            self._states = (*self._states, state)
            if best:
                self._best = state
            while self._is_over() and (oldest := self._find_oldest()) is not None:
                self._states = tuple(kept for kept in self._states if kept is not oldest)
            self._is_news = True

    def withdraw(self, gone: str, best_step: int | None) -> None:
        """Drop a state that is no best after all; the newest of `best_step` is the best, where one is held."""
        with self._changing:
            self._states = tuple(kept for kept in self._states if kept.id != gone)
            if self._best is not None and self._best.id == gone:
                self._best = self.find(best_step) if best_step is not None else None
            self._is_news = True

    @property
    def best(self) -> State | None:
        return self._best

    @property
    def states(self) -> tuple[State, ...]:
        """What is held, oldest first."""
        return self._states

    @property
    def held_bytes(self) -> int:
        """The memory that is held; what several share counts once."""
        states = self._states
        self._blocks = {state.id: self._blocks.get(state.id) or blocks_of(state) for state in states}
        return sum({start: size for blocks in self._blocks.values() for start, size in blocks.items()}.values())

    @property
    def memory(self) -> Memory:
        """What is held, as a run says it."""
        held = [
            Snapshot(id=state.id, step=state.step, size_bytes=self._size_of(state), is_best=state is self._best)
            for state in self._states
        ]
        return Memory(budget_bytes=self.budget_bytes, held_bytes=self.held_bytes, snapshots=held)

    def take_news(self) -> Memory | None:
        """Return what is held, if that changed since the last call."""
        is_news, self._is_news = self._is_news, False
        return self.memory if is_news else None

    def find(self, step: int) -> State | None:
        """Return the newest snapshot of `step`, or None."""
        return next((state for state in reversed(self._states) if state.step == step), None)

    def forget(self) -> None:
        """Drop everything."""
        self._states, self._best, self._blocks, self._is_news = (), None, {}, True

    def _is_over(self) -> bool:
        """Only where the budget is near, what is shared is looked for: that takes a millisecond."""
        if len(self._states) > self.count:
            return True
        at_most = sum(self._size_of(state) for state in self._states)
        return at_most > self.budget_bytes and self.held_bytes > self.budget_bytes

    def _find_oldest(self) -> State | None:
        return next((state for state in self._states if state is not self._best), None)

    def _size_of(self, state: State) -> int:
        """Return the full size; snapshots of the same variables are of one size, which is added up once."""
        specs, size = self._sized
        if state.specs is not specs:
            size = state.size_bytes
            self._sized = (state.specs, size)
        return size


def blocks_of(state: State) -> dict[int, int]:
    """Return where each value lies in memory, and its bytes. Two that are held at once and lie at one place are one.

    A value on another device has no address here: it is told from others by its object, and never shared.
    """
    return dict(_block_of(value) for value in state.values)


def _block_of(value: Any) -> tuple[int, int]:
    import numpy as np

    if "GPU" in str(getattr(value, "device", "")):
        return id(value), value.dtype.size * int(np.prod(value.shape))
    array = np.asarray(value)
    return array.__array_interface__["data"][0], array.nbytes
