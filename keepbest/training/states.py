"""Takes states of a run's model, and finds them again, in memory or on disk."""

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
    """Takes states of the model, and finds them by step or by checkpoint: in memory first.

    `drain` waits for the writer before a search on disk.
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
        #: The segment of each state: a roll back branches off there, perhaps from an older one than the present.
        self._segments: dict[str, int] = {}

    def capture(self, position: Position) -> State:
        """Take the present state, with the predictions for the reference examples if there is a store."""
        state = self._live.capture(position)
        self._segments[state.id] = self._run.recorder.segment
        return self._live.predict(state) if self._store is not None else state

    def segment_of(self, state: str) -> int:
        """Return the segment of a state, or the present one if the state is unknown."""
        return self._segments.get(state, self._run.recorder.segment)

    def note_copy(self, state: str, copy: str) -> None:
        """Note that a state has a second id."""
        self._segments[copy] = self.segment_of(state)

    def choose(self, *, step: int | None = None, checkpoint: str | None = None) -> State:
        """Return the state of a checkpoint, the newest state of a step, or the best if none is named.

        Raises NotFound, which names the steps that there are, or an error of the store for a state that does not fit.
        """
        if step is None and checkpoint is None:
            self._vetting.check_best()
            step, _ = self._run.stopper.best
            if step is None:
                hint = "Wait for the first validation, or name a step."
                raise NotFound("There is no best validation yet.", hint=hint)
        state = self.find_held(step=step, checkpoint=checkpoint) or self._find_on_disk(step=step, checkpoint=checkpoint)
        if state is None:
            raise NotFound(
                f"No state of {f'step {step}' if checkpoint is None else f'checkpoint {checkpoint}'} is kept; "
                f"there is step {', '.join(map(str, self.steps())) or 'none yet'}."
            )
        return state

    def steps(self) -> list[int]:
        """Return the steps of all states that training can go on from, in memory and on disk, in order."""
        return sorted({*self.held_steps(), *(manifest.step for manifest in self._manifests())})

    def wait_for_disk(self) -> None:
        """Wait until the writer has written what it was given."""
        if self._store is not None:
            self._drain()

    def held_steps(self) -> list[int]:
        """Return the steps of the states in memory, in order."""
        return sorted({kept.step for kept in self._held()})

    def find_best(self) -> State | None:
        """Return the best state that is sound, or None if no state was ever kept."""
        self._vetting.check_best()
        step, _ = self._run.stopper.best
        return self.buffer.best or (self._find_on_disk(step=step) if step is not None else None)

    def find_held(self, *, step: int | None = None, checkpoint: str | None = None) -> State | None:
        """Return the state from memory, or None."""
        return next((kept for kept in reversed(self._held()) if kept.step == step or kept.id == checkpoint), None)

    def is_on_disk(self, checkpoint: str) -> bool:
        """Whether the store has a checkpoint with this id."""
        return self._store is not None and checkpoint in self._store.checkpoints(self._run.id)

    def _find_on_disk(self, *, step: int | None = None, checkpoint: str | None = None) -> State | None:
        """Return the state from disk, or None. Of one step's states, a validation's best goes first: others may be
        those from which a roll back went on, with another learning rate."""
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
