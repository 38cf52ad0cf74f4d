"""What was kept of a run, in memory and on disk, and how a state of it is found again."""

from __future__ import annotations

from collections.abc import Callable

from keepbest.checkpoint import Manifest, Store
from keepbest.errors import NotFound
from keepbest.snapshots.buffer import SnapshotBuffer
from keepbest.snapshots.snapshot import VariableSet
from keepbest.snapshots.state import State


class SnapshotLookup:
    """Finds states by step or by checkpoint: in memory first. `drain` lets the writer come to an end first."""

    def __init__(self, run: str, ring: SnapshotBuffer, store: Store | None, drain: Callable[[], object]) -> None:
        self._run = run
        self._ring = ring
        self._store = store
        self._drain = drain
        #: The segment that each state was taken in: a roll back branches off there, maybe behind the present one.
        self.segments: dict[str, int] = {}

    def get(self, living: VariableSet, *, step: int | None = None, checkpoint: str | None = None) -> State:
        """Return the state of a checkpoint, or the newest that was kept of a step.

        Raises NotFound, saying what there is; what the store raises when it is damaged or of another model.
        """
        found = self.find_held(step=step, checkpoint=checkpoint)
        found = found or self.find_on_disk(living, step=step, checkpoint=checkpoint)
        if found is None:
            steps = sorted({kept.step for kept in self._held()} | {manifest.step for manifest in self._manifests()})
            raise NotFound(
                f"Nothing was kept of {f'step {step}' if checkpoint is None else f'checkpoint {checkpoint}'}; "
                f"there is step {', '.join(map(str, steps)) or 'none yet'}."
            )
        return found

    def find_held(self, *, step: int | None = None, checkpoint: str | None = None) -> State | None:
        """Return the state from memory, or None."""
        return next((kept for kept in reversed(self._held()) if kept.step == step or kept.id == checkpoint), None)

    def find_on_disk(
        self, living: VariableSet, *, step: int | None = None, checkpoint: str | None = None
    ) -> State | None:
        """Return the state from disk, or None. Of a step, what a validation found best goes first: the others of that
        step may be what a roll back went on from, with another learning rate."""
        if self._store is None:
            return None
        self._drain()
        found = [manifest for manifest in self._manifests() if manifest.id == checkpoint or manifest.step == step]
        if not found:
            return None
        chosen = max(enumerate(found), key=lambda one: (one[1].kind == "best", one[0]))[1]
        state = self._store.load(self._run, chosen.id).to_state(as_tensors=living.is_eager)
        living.check(state)
        self.segments[chosen.id] = chosen.segment
        return state

    def is_on_disk(self, checkpoint: str) -> bool:
        return self._store is not None and checkpoint in self._store.checkpoints(self._run)

    def _held(self) -> list[State]:
        return [kept for kept in (*self._ring.states, self._ring.best) if kept is not None]

    def _manifests(self) -> list[Manifest]:
        found = self._store.manifests(self._run) if self._store is not None else []
        return [manifest for manifest in found if manifest.is_trained]
