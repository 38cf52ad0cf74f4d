"""Roll backs: training goes back to a kept state and on from there, perhaps with changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from keepbest.contract.commands import RollBackRequest
from keepbest.contract.overrides import Overrides
from keepbest.contract.runs import Jump
from keepbest.errors import InvalidInput
from keepbest.figures import figure
from keepbest.snapshots.snapshot import roll_back
from keepbest.snapshots.state import Position, State
from keepbest.tracking.run import Run
from keepbest.training.checkpoint_recorder import CheckpointRecorder
from keepbest.training.learning_rate import rate_in, with_rate
from keepbest.training.live_model import LiveModel
from keepbest.training.states import TrainingStates

#: The place of the state to which training went back.
Source = Literal["memory", "disk"]


@dataclass(frozen=True)
class RollBack:
    """Training went back to `state` and goes on from there in a new segment; `message` reports this."""

    state: State
    segment: int
    source: Source
    message: str


class RollBacks:
    """Puts kept states back into the model, and reports the segments that begin there to the run."""

    def __init__(self, run: Run, live: LiveModel, states: TrainingStates, checkpoints: CheckpointRecorder) -> None:
        self._run = run
        self._live = live
        self._states = states
        self._checkpoints = checkpoints

    def put_back(self, *, step: int | None = None, checkpoint: str | None = None) -> State:
        """Put a kept state back, random states included, the best if none is named; return it.

        When training goes on from there, `branch` reports it to the run. Raises as `roll_back` does.
        """
        state = self._states.choose(step=step, checkpoint=checkpoint)
        self._live.go_back(state)
        return state

    def roll_back(self, request: RollBackRequest) -> RollBack:
        """Go back to the best, a step or a checkpoint, from memory or from disk, with the changes of the request.

        Raises NotFound, InvalidInput, CheckpointMismatch, or an error of the store, before it changes anything.
        """
        state = self._states.choose(step=request.step, checkpoint=request.checkpoint)
        _check_end(request, state.step)
        source: Source = "disk" if self._states.find_held(checkpoint=state.id) is None else "memory"
        changed = with_rate(state, self._live.model, request.learning_rate) if request.learning_rate else state
        past = self._run.stopper.recall(state.stopper)
        self._live.go_back(state, changed)
        segment = self._branch(state, past, request.overrides)
        message = f"Went back to step {state.step}{self._describe(request, state, changed)}."
        return RollBack(state, segment, source, message)

    def branch(self, state: State, overrides: Overrides | None = None) -> int:
        """Open a new segment at `state`, which is in the model already; return its number.

        A best that was found later stays the best. This cancels a stop that was decided at `state`.
        """
        return self._branch(state, self._run.stopper.recall(state.stopper), overrides or Overrides())

    def change(self, position: Position, overrides: Overrides) -> None:
        """Apply the overrides of a resume or fork at `position`, where its attempt begins, and write the state at once.

        Raises InvalidInput, and changes nothing, for an impossible override.
        """
        _check_end(overrides, position.step)
        if overrides.learning_rate:
            state = self._states.capture(position)
            roll_back(self._live.variables, with_rate(state, self._live.model, overrides.learning_rate))
        self._run.stopper.change(position.step, overrides)
        self._write_changed(position)

    def recover(self, state: State, overrides: Overrides) -> int:
        """Open a new segment at `state`, to which training went back by itself; return its number.

        What is in the model now is written to the disk at once: no crash takes the count of recoveries back.
        """
        past = self._run.stopper.recall(state.stopper)
        segment = self._branch(state, past, overrides, "recover")
        if overrides == Overrides():
            self._write_changed(state.position)
        return segment

    def _branch(self, state: State, past: Mapping[str, Any], overrides: Overrides, reason: Jump = "roll_back") -> int:
        """Open a segment, and write changes to the disk at once, so that no crash takes them back."""
        segment = self._run.branch(
            state.step,
            parent=self._states.segment_of(state.id),
            state=past,
            checkpoint=state.id if self._states.is_on_disk(state.id) else None,
            overrides=overrides,
            reason=reason,
        )
        self._checkpoints.step = state.step
        if overrides != Overrides():
            self._write_changed(state.position)
        return segment

    def _write_changed(self, position: Position) -> None:
        """Write the changed state to the disk only: a roll back to this step should restore the validated state."""
        state = self._states.capture(position)
        self._checkpoints.submit(state, "last", None, segment=self._run.recorder.segment)

    def _describe(self, overrides: Overrides, state: State, changed: State) -> str:
        words = []
        if changed is not state:
            before, after = (rate_in(item, self._live.model) for item in (state, changed))
            words.append(f"learning rate {figure(before)} -> {figure(after)}")
        if overrides.max_steps is not None:
            words.append(f"on to step {overrides.max_steps}")
        if overrides.reset_patience:
            words.append("patience anew")
        return "".join(f", {word}" for word in words)


def _check_end(overrides: Overrides, step: int) -> None:
    if overrides.max_steps is not None and overrides.max_steps <= step:
        message = f"Training goes on from step {step}; max_steps {overrides.max_steps} leaves nothing to train."
        raise InvalidInput(message, field="max_steps", hint="Name a later step.")
