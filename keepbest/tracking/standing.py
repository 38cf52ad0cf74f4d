"""Where a run stands with its stopper: what was decided, which validation is the best, and when silence stops it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from keepbest.checkpoint import Store
from keepbest.contract.commands import Command
from keepbest.contract.overrides import Overrides
from keepbest.errors import InvalidInput
from keepbest.journal.uploader import Uploader
from keepbest.journal.values import check_one, to_number
from keepbest.stopping import Decision, Mode, Pairs, find_mode
from keepbest.tracking.best import BestValidation, find_checkpoint
from keepbest.tracking.media import MediaLogger
from keepbest.tracking.stopper import Stopper


class StopperStatus(MediaLogger):
    """A run that is judged: by its stopper, and by whoever asks it to stop."""

    #: Where its checkpoints go; None while nobody keeps any.
    store: Store | None = None
    _asked_stop: Decision | None = None

    def __init__(self, run: str, judge: Stopper, monitor: str, reporter: Uploader | None, first_segment: int) -> None:
        super().__init__(monitor, reporter, first_segment)
        self.id = run
        self.judge = judge

    def judge_validation(
        self,
        step: int,
        value: float | None,
        n: int | None = None,
        *,
        train: float | None = None,
        metrics: Mapping[str, Any] | None = None,
        pairs: Pairs | None = None,
    ) -> Decision:
        """Return the stopper's decision, and record nothing yet. A value of None says that training came this far."""
        self.know_mode()
        check_one(value)
        measured = {**(metrics or {}), self.monitor: value}
        return self.judge.observe(step, to_number(value), n, to_number(train), measured, pairs)

    # Where the stopper stands

    @property
    def decision(self) -> Decision | None:
        """The decision at the last validation, or the one that stopped: the stopper's, or what `report_validation` was
        asked for.
        """
        return self._asked_stop or self.judge.decision

    @property
    def best(self) -> BestValidation | None:
        """The best validation so far, and its checkpoint; None before the first that measured anything."""
        policy = self.stopper_state()["policy"]
        step, value = policy.get("best_step"), policy.get("best_value")
        if step is None or value is None:
            return None
        found = find_checkpoint(self.store, self.id, step, value) if self.store is not None else None
        return BestValidation(step, value, found)

    def know_mode(self) -> None:
        """See that it is known which way is better: where nobody said it, by the monitored metric's name.

        Raises InvalidInput where that does not say it.
        """
        if self.judge.mode is not None:
            return
        mode = find_mode(self.monitor)
        if mode is None:
            raise InvalidInput(
                f"It is not known which way {self.monitor!r} gets better.",
                field="mode",
                hint="Say it where the run begins: keepbest.init(…, mode='max') or mode='min'.",
            )
        self.set_mode(mode)

    def deadline(self) -> int | None:
        """Return the step at which silence stops the run, or None. `judge_validation(step, None)` then says so."""
        return self.judge.deadline()

    def set_mode(self, mode: Mode) -> None:
        """Say which way the monitored metric gets better, once Keras knows; the tracker is told."""
        self.judge.set_mode(mode)
        self.report(mode=mode)

    def stopper_state(self) -> dict[str, Any]:
        """Return the stopper's state as JSON: a part of every snapshot."""
        return self.judge.state()

    def go_on_from(self, state: Mapping[str, Any]) -> None:
        """Take up the state of the checkpoint that the run resumes from."""
        self.judge.go_on_from(state)

    # What changes it

    def branch(
        self,
        step: int,
        *,
        parent: int,
        state: Mapping[str, Any] | None = None,
        checkpoint: str | None = None,
        overrides: Overrides | None = None,
    ) -> int:
        """Open a new segment after a roll back to `step` of segment `parent`; return its number.

        `state` is the stopper's at that moment (`stopper_state()` in the snapshot); `overrides` say what is judged
        otherwise from there, and are kept with the segment.
        """
        self._asked_stop = None
        if state is not None:
            self.judge.go_on_from(state, keep_seconds=True)
        self.change(step, overrides or Overrides())
        return self.open_segment("roll_back", step, parent, checkpoint, overrides)

    def change(self, step: int, overrides: Overrides) -> None:
        """Judge otherwise from `step` on: a new last step, patience begun anew. A stop that was decided is lifted."""
        if overrides.max_steps is not None:
            self.judge.set_max_steps(overrides.max_steps)
        self.judge.lift_stop(step)
        if overrides.reset_patience:
            self.judge.restart_patience(step)

    def lift_stop(self, step: int) -> None:
        """Take back a stop, the stopper's or one that was asked for: training goes on from `step`."""
        self._asked_stop = None
        self.judge.lift_stop(step)

    def note_stop(self, command: Command, step: int) -> None:
        """Take a stop that somebody asked for as the run's decision, at `step`: it is why the run ends."""
        last = self.judge.decision or Decision(stop=False, improved=False, at_step=step, message="")
        self._asked_stop = stopped_by(command, replace(last, improved=False, at_step=step))


def stopped_by(command: Command, decision: Decision) -> Decision:
    """Return the decision with a stop that a person asked for, or a rule of the project, which says its reason."""
    message = f"Stop at step {decision.at_step}: {command.why}."
    said = {"stop": True, "reason": command.stop_reason.value, "message": message}
    return Decision.from_json({**decision.to_json(), **said})
