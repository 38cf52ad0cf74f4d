"""The states that were taken of a run's model, in memory and on disk, and how one of them is found again."""

from __future__ import annotations

from collections.abc import Callable

from keepbest.checkpoint import Manifest, Store
from keepbest.errors import NotFound
from keepbest.snapshots.buffer import SnapshotBuffer
from keepbest.snapshots.state import Position, State
from keepbest.tracking.run import Run
from keepbest.training.live_model import LiveModel
from keepbest.training.vetting import Vetting


class TrainingStates:
    """Takes states of the living model, and finds them by step or by checkpoint: in memory first.

    `drain` lets the writer come to an end before the disk is asked.
    """

    def __init__(
        self,
        run: Run,
        live: LiveModel,
        vetting: Vetting,
        buffer: SnapshotBuffer,
        store: Store | None,
        drain: Callable[[], object],
    ) -> None:
        self.buffer = buffer
        self._run = run
        self._live = live
        self._vetting = vetting
        self._store = store
        self._drain = drain
        #: The segment that each state was taken in: a roll back branches off there, maybe behind the present one.
        self._segments: dict[str, int] = {}

    def capture(self, position: Position) -> State:
        """Take the present state; what would be written says what the network predicts in it, too."""
        state = self._live.capture(position)
        self._segments[state.id] = self._run.recorder.segment
        return self._live.predict(state) if self._store is not None else state

    def segment_of(self, state: str) -> int:
        """Return the segment that a state was taken in; of one that nobody knows, the present one."""
        return self._segments.get(state, self._run.recorder.segment)

    def note_copy(self, state: str, copy: str) -> None:
        """Say that a state goes by another id, too."""
        self._segments[copy] = self.segment_of(state)

    def choose(self, *, step: int | None = None, checkpoint: str | None = None) -> State:
        """Return the state of a checkpoint, the newest that was kept of a step, or the best if none is named.

        Raises NotFound, saying what there is; what the store raises when it is damaged or of another model.
        """
        if step is None and checkpoint is None:
            self._vetting.check_best()
            step, _ = self._run.stopper.best
            if step is None:
                hint = "Wait for the first validation, or name a step."
                raise NotFound("There is no best validation yet.", hint=hint)
        state = self.find_held(step=step, checkpoint=checkpoint) or self._find_on_disk(step=step, checkpoint=checkpoint)
        if state is None:
            steps = sorted({kept.step for kept in self._held()} | {manifest.step for manifest in self._manifests()})
            raise NotFound(
                f"Nothing was kept of {f'step {step}' if checkpoint is None else f'checkpoint {checkpoint}'}; "
                f"there is step {', '.join(map(str, steps)) or 'none yet'}."
            )
        return state

    def find_best(self) -> State | None:
        """Return the best state that is sound, or None where nothing was ever kept."""
        self._vetting.check_best()
        step, _ = self._run.stopper.best
        return self.buffer.best or (self._find_on_disk(step=step) if step is not None else None)

    def find_held(self, *, step: int | None = None, checkpoint: str | None = None) -> State | None:
        """Return the state from memory, or None."""
        return next((kept for kept in reversed(self._held()) if kept.step == step or kept.id == checkpoint), None)

    def is_on_disk(self, checkpoint: str) -> bool:
        """Whether a checkpoint of this id is written."""
        return self._store is not None and checkpoint in self._store.checkpoints(self._run.id)

    def _find_on_disk(self, *, step: int | None = None, checkpoint: str | None = None) -> State | None:
        """Return the state from disk, or None. Of a step, what a validation found best goes first: the others of that
        step may be what a roll back went on from, with another learning rate."""
        if self._store is None:
            return None
        self._drain()
        manifests = [manifest for manifest in self._manifests() if manifest.id == checkpoint or manifest.step == step]
        if not manifests:
            return None
        chosen = max(enumerate(manifests), key=lambda pair: (pair[1].kind == "best", pair[0]))[1]
        variables = self._live.variables
        state = self._store.load(self._run.id, chosen.id).to_state(as_tensors=variables.is_eager)
        variables.check(state)
        self._segments[chosen.id] = chosen.segment
        return state

    def _held(self) -> list[State]:
        return [kept for kept in (*self.buffer.states, self.buffer.best) if kept is not None]

    def _manifests(self) -> list[Manifest]:
        manifests = self._store.manifests(self._run.id) if self._store is not None else []
        return [manifest for manifest in manifests if manifest.is_trained]
