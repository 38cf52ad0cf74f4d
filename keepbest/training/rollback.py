"""Jumps: training goes back to a kept state and on from there, and may be changed on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from keepbest.contract.commands import RollBackRequest
from keepbest.contract.overrides import Overrides
from keepbest.errors import InvalidInput
from keepbest.snapshots.snapshot import roll_back
from keepbest.snapshots.state import Position, State
from keepbest.training.learning_rate import rate_in, with_rate
from keepbest.training.states import TrainingStates

#: Where a state was found that training went back to.
Source = Literal["memory", "disk"]


@dataclass(frozen=True)
class RollBack:
    """Training went back to `state` and goes on from there in a new segment; `message` says so in words."""

    state: State
    segment: int
    source: Source
    message: str


class Jumping(TrainingStates):
    """Goes back to the states on the bench; the run hears of each segment that begins so."""

    #: The step at which silence alone stops the run; None where it does not.
    _deadline: int | None = None

    def put_back(self, *, step: int | None = None, checkpoint: str | None = None) -> State:
        """Put a kept state back, random states included, the best if none is named; return it.

        The run hears of it when training goes on from there: `branch` says so. Raises what `roll_back` does.
        """
        state = self._get(RollBackRequest(step=step, checkpoint=checkpoint))
        self._carried.check(state.callbacks)
        roll_back(self._living, state)
        self._carried.restore(state.callbacks)
        self._note_put()
        return state

    def roll_back(self, asked: RollBackRequest) -> RollBack:
        """Go back to the best, a step or a checkpoint, from memory or from disk, and on from there, changed as asked.

        Whatever cannot be done is found before anything is changed: NotFound, InvalidInput, CheckpointMismatch, what
        the store raises.
        """
        state = self._get(asked)
        _check_end(asked, state.step)
        source: Source = "disk" if self._shelf.find_held(checkpoint=state.id) is None else "memory"
        changed = with_rate(state, self._model, asked.learning_rate) if asked.learning_rate else state
        past = self.run.stopper.recall(state.stopper)
        self._carried.check(state.callbacks)
        roll_back(self._living, changed)
        self._carried.restore(state.callbacks)
        self._note_put()
        segment = self._branch(state, past, asked.overrides)
        message = f"Went back to step {state.step}{self._describe(asked, state, changed)}."
        return RollBack(state, segment, source, message)

    def branch(self, state: State, overrides: Overrides | None = None) -> int:
        """Open a new segment at `state`, which the model is in already; return its number.

        The best that was found since stays the best. A stop that was decided there is lifted: somebody wants more.
        """
        return self._branch(state, self.run.stopper.recall(state.stopper), overrides or Overrides())

    def change(self, position: Position, overrides: Overrides) -> None:
        """Go on otherwise from `position`, where an attempt begins that was asked to. It is on disk at once.

        Raises InvalidInput, and changes nothing, where that cannot be.
        """
        _check_end(overrides, position.step)
        if overrides.learning_rate:
            state = self._capture(position)
            roll_back(self._living, with_rate(state, self._model, overrides.learning_rate))
        self.run.stopper.change(position.step, overrides)
        self._deadline = self.run.deadline()
        self._write_changed(position)

    def _branch(self, state: State, past: Mapping[str, Any], overrides: Overrides) -> int:
        """Open a segment; what was changed is on disk at once, so that no crash takes it back."""
        segment = self.run.branch(
            state.step,
            parent=self._shelf.segments.get(state.id, self.run.recorder.segment),
            state=past,
            checkpoint=state.id if self._shelf.is_on_disk(state.id) else None,
            overrides=overrides,
        )
        self._deadline = self.run.deadline()
        self._archive.step = state.step
        if overrides != Overrides():
            self._write_changed(state.position)
        return segment

    def _write_changed(self, position: Position) -> None:
        """Not into the ring: whoever goes back to this step means what a validation judged there."""
        self._archive.submit(self._capture(position), "last", None, segment=self.run.recorder.segment)

    def _describe(self, asked: Overrides, state: State, changed: State) -> str:
        words = []
        if changed is not state:
            before, after = rate_in(state, self._model), rate_in(changed, self._model)
            words.append(f"learning rate {before:.6g} -> {after:.6g}")
        if asked.max_steps is not None:
            words.append(f"on to step {asked.max_steps}")
        if asked.reset_patience:
            words.append("patience anew")
        return "".join(f", {word}" for word in words)


def _check_end(overrides: Overrides, step: int) -> None:
    if overrides.max_steps is not None and overrides.max_steps <= step:
        message = f"It goes on from step {step}; max_steps {overrides.max_steps} leaves nothing to train."
        raise InvalidInput(message, field="max_steps", hint="Name a later step.")
