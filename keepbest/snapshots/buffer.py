"""Keeps snapshots in memory: the newest and the best, within a number and a budget."""

from __future__ import annotations

from threading import Lock
from typing import Any

from keepbest import settings
from keepbest.contract.runs import Memory, Snapshot
from keepbest.memory_budget import budget_of
from keepbest.snapshots.state import State, VariableSpec


class SnapshotBuffer:
    """The newest snapshots and the best one, within a number and a memory budget.

    The oldest that is not the best goes first. The best stays, even if it alone is over the budget. Memory that several
    snapshots share, because a value did not change between them, counts once. Any thread may call any method.

    Args:
        count: The most snapshots to hold.
        memory: Bytes, `2GB`, or `25%` of the memory that is free now (default: KEEPBEST_SNAPSHOT_MEMORY, else `25%`).
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
        """Add `state`, and drop the oldest snapshots that are over the limits."""
        with self._changing:
            self._states = (*self._states, state)
            if best:
                self._best = state
            while self._is_over():
                oldest = next((kept for kept in self._states if kept is not self._best), None)
                if oldest is None:
                    break
                self._states = tuple(kept for kept in self._states if kept is not oldest)
            self._is_news = True

    def withdraw(self, gone: str, best_step: int | None) -> None:
        """Drop the state with the id `gone`, a withdrawn best; the newest snapshot of `best_step` is the best then."""
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
        """The snapshots, oldest first."""
        return self._states

    @property
    def held_bytes(self) -> int:
        """The memory that the snapshots take; memory that several share counts once."""
        states = self._states
        self._blocks = {state.id: self._blocks.get(state.id) or blocks_of(state) for state in states}
        return sum({start: size for blocks in self._blocks.values() for start, size in blocks.items()}.values())

    @property
    def memory(self) -> Memory:
        """The snapshots and their sizes, as a run reports them."""
        held = [
            Snapshot(id=state.id, step=state.step, size_bytes=self._size_of(state), is_best=state is self._best)
            for state in self._states
        ]
        return Memory(budget_bytes=self.budget_bytes, held_bytes=self.held_bytes, snapshots=held)

    def take_news(self) -> Memory | None:
        """Return `memory` if it changed since the last call, else None."""
        is_news, self._is_news = self._is_news, False
        return self.memory if is_news else None

    def find(self, step: int) -> State | None:
        """Return the newest snapshot of `step`, or None."""
        return next((state for state in reversed(self._states) if state.step == step), None)

    def forget(self) -> None:
        """Drop all snapshots."""
        self._states, self._best, self._blocks, self._is_news = (), None, {}, True

    def _is_over(self) -> bool:
        """Whether the snapshots are too many or too large. Finding shared memory takes a millisecond, so it is last."""
        if len(self._states) > self.count:
            return True
        at_most = sum(self._size_of(state) for state in self._states)
        return at_most > self.budget_bytes and self.held_bytes > self.budget_bytes

    def _size_of(self, state: State) -> int:
        """Return the full size of a state. States of the same variables have the same size: it is computed once."""
        specs, size = self._sized
        if state.specs is not specs:
            size = state.size_bytes
            self._sized = (state.specs, size)
        return size


def blocks_of(state: State) -> dict[int, int]:
    """Return the bytes of each value by its address. Two values at one address share their memory.

    A value on a GPU has no address here: the `id` of its object takes the address's place.
    """
    return dict(_block_of(value) for value in state.values)


def _block_of(value: Any) -> tuple[int, int]:
    import numpy as np

    if "GPU" in str(getattr(value, "device", "")):
        return id(value), value.dtype.size * int(np.prod(value.shape))
    array = np.asarray(value)
    return array.__array_interface__["data"][0], array.nbytes
