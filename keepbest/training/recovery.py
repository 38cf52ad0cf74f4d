"""Goes back by itself where training breaks, by the stopper's `recover`: the same jump as a person's roll back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from keepbest.contract.overrides import Overrides
from keepbest.errors import KeepbestError, NotFound
from keepbest.figures import figure
from keepbest.snapshots.state import Position, State
from keepbest.stopping import Decision, Recover, Recovery, Validation
from keepbest.stopping.signs import Breakage
from keepbest.tracking.run import Run
from keepbest.training.clipping import check_clipping, clip_gradients
from keepbest.training.learning_rate import check_rate, lower_rates, read_rates
from keepbest.training.live_model import LiveModel
from keepbest.training.monitor import direction_of
from keepbest.training.rollback import RollBack, RollBacks, Source
from keepbest.training.states import TrainingStates
from keepbest.training.vetting import Vetting

#: Writes the row of the decision log.
Record = Callable[[Decision], object]

_log = logging.getLogger("keepbest")


class Recoveries:
    """Judges each batch, keeps states to go back to, and goes back where training breaks.

    The front door calls `judge_batch` after each batch, and then `take`: the roll back to follow, if there was one.
    """

    def __init__(
        self, run: Run, live: LiveModel, states: TrainingStates, rollback: RollBacks, vetting: Vetting
    ) -> None:
        self._run = run
        self._live = live
        self._states = states
        self._rollback = rollback
        self._vetting = vetting
        self._done: RollBack | None = None
        #: A best whose network was found broken since the last batch, perhaps by the writer's thread.
        self._withdrawn: Breakage | None = None
        vetting.on_withdrawn = self._note_withdrawal
        #: What the data do after a recovery, in words; the front door knows.
        self.data = ""

    @property
    def rule(self) -> Recover | None:
        """The stopper's rule, or None: then nothing is watched."""
        return self._run.stopper.recover

    def check(self, model: Any) -> None:
        """Apply what earlier recoveries changed in `model`. Raises InvalidInput for a rule that it cannot follow."""
        rule = self.rule
        if rule is None:
            return
        if rule.sets_rate:
            check_rate(model)
        if rule.global_clipnorm is not None:
            check_clipping(model)
            if self._run.stopper.recoveries:
                clip_gradients(model, rule.global_clipnorm)

    def begin(self, position: Position) -> None:
        """Keep the state where training begins: a first batch may break it."""
        if self.rule is not None and self._states.find_held(step=position.step) is None:
            state = self._states.capture(position)
            self._states.buffer.keep(state)
            self._vetting.note_sound(state)

    def keep(self, position: Position) -> Decision | None:
        """Keep the present state, which is not the best, if its network is sound; else go back by the rule.

        The check reads all weights: then no recovery has to wait for it.
        """
        if self.rule is None:
            return None
        state = self._states.capture(position)
        fault = self._vetting.find_unknown_fault(state)
        if fault is None:
            self._states.buffer.keep(state)
        elif self.rule.judges_finite:
            return self.judge_breakage(Breakage(position.step, position.step, fault))
        return None

    def judge_batch(self, position: Position, loss: float) -> Decision | None:
        """Judge the loss of the batch that led to `position`; return the decision if training is broken."""
        rule, watch = self.rule, self._run.stopper.watch
        if rule is None or watch is None:
            return None
        breakage, withdrawn = watch.judge(position.step, loss), self._withdrawn
        if withdrawn is not None and rule.judges_finite:
            breakage = replace(withdrawn, step=position.step)
        self._withdrawn = None
        if breakage is not None:
            return self.judge_breakage(breakage)
        return self.keep(position) if rule.every is not None and position.step % rule.every == 0 else None

    def judge_breakage(self, breakage: Breakage) -> Decision | None:
        """Go back, or stop, because of what the batches showed; return the decision, None if training goes on."""
        if self._run.stopper.mode is None:
            self._run.set_mode(direction_of(self._live.model, self._run.monitor))
        validation = Validation(breakage.step, broken=breakage.what)
        decision = self._run.judge(validation)
        record: Record = lambda decided: self._run.recorder.record_validation(validation, decided)  # noqa: E731
        if decision.goes_back is not None:
            return self.go_back(breakage, decision, record)
        if decision.stop:
            record(decision)
        return decision if decision.stop else None

    def go_back(self, breakage: Breakage, decision: Decision, record: Record) -> Decision:
        """Go back as decided, and have it recorded before the new segment opens; return the decision in words.

        If no state can be put back, this is a stop: `unrecoverable`.
        """
        step, stopper = breakage.step, self._run.stopper
        try:
            state, source, overrides, words = self._put_back(breakage)
        except KeepbestError as error:
            message = f"Stop at step {step:,}: {breakage.what}, and training cannot go back: {error.message}"
            decision = stopper.give_up(step, message)
            record(decision)
            return decision
        self._withdrawn = None  # what was withdrawn on the way back is left behind
        stopper.note_recovery(Recovery(step, state.step))
        count = f"{len(stopper.recoveries)} of {self._get_rule().times}"
        message = f"Went back from {step:,} to {state.step:,}, {''.join(f'{word}, ' for word in words)}{count}: "
        message += f"{breakage.what}.{f' {self.data}' if self.data else ''}"
        decision = replace(decision, message=message)
        record(decision)
        segment = self._rollback.recover(state, overrides)
        _log.warning("keepbest: %s", message)
        self._done = RollBack(state, segment, source, message)
        return decision

    def take(self) -> RollBack | None:
        """Return the roll back that was made since the last call, once."""
        done, self._done = self._done, None
        return done

    def _put_back(self, breakage: Breakage) -> tuple[State, Source, Overrides, list[str]]:
        """Put a state back, and change what the rule changes; return the state, its place, and the changes in words."""
        rule, model = self._get_rule(), self._live.model
        before = read_rates(model) if rule.sets_rate else []
        state, source = self._choose(breakage)
        self._live.go_back(state)
        words, rate = [], None
        if rule.sets_rate:
            rate = lower_rates(model, rule.learning_rate, before)
            words.append(f"rate {figure(before[0])} -> {figure(float(rate))}")
        if rule.global_clipnorm is not None and clip_gradients(model, rule.global_clipnorm):
            words.append(f"gradients clipped to {figure(rule.global_clipnorm)}")
        return state, source, Overrides(learning_rate=rate if len(before) == 1 else None), words

    def _choose(self, breakage: Breakage) -> tuple[State, Source]:
        """Return the state to go back to, and its place: sound, older than the breakage, and new to this breakage."""
        for step in self._find_steps(breakage):
            held = self._states.find_held(step=step)
            try:
                state = held or self._states.choose(step=step)
            except KeepbestError as error:
                _log.warning("keepbest: the state of step %d cannot be put back: %s", step, error.message)
                continue
            if self._vetting.find_unknown_fault(state) is None:
                return state, "disk" if held is None else "memory"
        raise NotFound(f"no sound state is kept of a step before {breakage.since:,}.")

    def _find_steps(self, breakage: Breakage) -> Sequence[int]:
        """Return the steps to go back to, the first choice first.

        Steps that training went back to since the last sound validation come last, the oldest of them first.
        """
        self._vetting.check_best()
        back, (best, _) = self._get_rule().steps_back, self._run.stopper.best
        last = breakage.since - max(1, back or 1)
        if back is None and best is not None:
            last = min(last, best)
        used = self._run.stopper.used
        steps = [step for step in self._states.held_steps() if step <= last]
        if used.issuperset(steps):  # the disk has older ones
            self._states.wait_for_disk()
            steps = [step for step in self._states.steps() if step <= last]
        return [step for step in reversed(steps) if step not in used] + [step for step in steps if step in used]

    def _note_withdrawal(self, step: int, fault: str) -> None:
        self._withdrawn = Breakage(step, step, fault)

    def _get_rule(self) -> Recover:
        assert self.rule is not None  # noqa: S101  # without the rule nothing goes back
        return self.rule
