"""The stopper of a living run: its policy, the policy's state, and the training time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from keepbest.contract import runs as contract
from keepbest.contract.overrides import Overrides
from keepbest.errors import InvalidInput, MetricMissing
from keepbest.status import StopReason
from keepbest.stopping import (
    Decision,
    Mode,
    Policy,
    State,
    Validation,
    build,
    find_mode,
    is_better,
)
from keepbest.stopping.pairs import SILENT
from keepbest.stopping.policies.recover import Recover, rule_of
from keepbest.stopping.signs import BatchWatch
from keepbest.stopping.validation import Recovery
from keepbest.tracking.last_step import end_at, move_end
from keepbest.tracking.trail import Move, Step, Trail


class Stopper:
    """Judges validations one after another. Its whole memory is `state()`: JSON that belongs into every snapshot.

    One thread judges; another thread may meanwhile check each best, and withdraw one whose network is NaN.
    """

    def __init__(
        self,
        stopper: Mapping[str, Any],
        mode: Mode | None,
        max_steps: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spec = stopper
        self._clock = clock
        self._began = clock()
        self._policy: Policy | None = None
        self._state: State = {}
        self._waits_from: int | None = None
        self._lock = threading.RLock()
        self._trail = Trail()
        self._deadline: tuple[State, int | None] = (self._state, None)
        #: The rule by which training goes back where it breaks, or None. Every batch asks; it needs no mode.
        self.recover: Recover | None = rule_of(build(stopper, mode or "max"))
        #: Judges the loss of each batch, if the stopper goes back where training breaks.
        self.watch: BatchWatch | None = None if self.recover is None else BatchWatch(self.recover.signs)
        #: Whether a writer checks each best, and calls `confirm` or `withdraw`.
        self.is_checked = False
        #: The run's last step at the latest; `set_max_steps` moves it.
        self.max_steps = max_steps
        #: The highest rung that the sweep has let the run pass; None if the run pauses at no rung.
        self.promotions: int | None = None
        if mode is not None:
            self.set_mode(mode)

    @property
    def policy(self) -> Policy:
        """The policy, with the run's max_steps in it; raises InvalidInput while the mode is not known."""
        if self._policy is None:
            raise InvalidInput(
                "The run does not say which way the monitored metric gets better.",
                field="mode",
                hint="Give mode='max' or mode='min'.",
            )
        return self._policy

    @property
    def mode(self) -> Mode | None:
        """Which way the metric gets better, or None while not known."""
        return self._policy.mode if self._policy is not None else None

    @property
    def spec(self) -> Mapping[str, Any]:
        """The policy in its JSON form."""
        return self._spec

    @property
    def changes_rate(self) -> bool:
        """Whether the stopper may set the learning rate; needs no mode."""
        return build(self._spec, "max").changes_rate

    @property
    def recoveries(self) -> tuple[Recovery, ...]:
        """How training went back by itself so far, oldest first. No roll back takes them back."""
        return self._policy.recoveries(self._state["memory"]) if self._policy is not None else ()

    @property
    def used(self) -> frozenset[int]:
        """The steps that training went back to by itself since the last sound validation."""
        return self._policy.used(self._state["memory"]) if self._policy is not None else frozenset()

    @property
    def needs_pairs(self) -> bool:
        """Whether the stopper compares validations example by example; needs no mode."""
        policy = self._policy or build(self._spec, "max")
        return "pairs" in policy.all_needs

    def with_pairs(self, validation: Validation) -> Validation:
        """Return the validation to record: if it lacks the pairs that the stopper needs, with a note of that."""
        return replace(validation, pairs=SILENT) if validation.pairs is None and self.needs_pairs else validation

    @property
    def is_fresh(self) -> bool:
        """Whether the mode is known and no validation was judged yet."""
        return bool(self._state) and self._state.get("decision") is None

    @property
    def best(self) -> tuple[int | None, float | None]:
        """Step and value of the best validation so far."""
        return self._state.get("best_step"), self._state.get("best_value")

    @property
    def seconds(self) -> float:
        """Training time so far, over all attempts of the run."""
        return self._clock() - self._began

    @property
    def decision(self) -> Decision | None:
        """The decision at the last validation, or the one that stopped."""
        recorded = self._state.get("decision")
        return Decision.from_json(recorded) if recorded else None

    @property
    def rung(self) -> int | None:
        """The rung where the run waits, by the last validation's decision; None if the run goes on."""
        rung = self.decision.rung if self.decision is not None else None
        return rung if rung is not None and self._waits_at(rung) else None

    def set_mode(self, mode: Mode) -> None:
        """Set which way the metric gets better, before the first validation."""
        if self._policy is not None:
            if self._policy.mode != mode:
                raise InvalidInput(f"This run's mode is {self._policy.mode!r}, not {mode!r}.", field="mode")
            return
        self._policy = end_at(self.max_steps, build(self._spec, mode))
        self._state = self._policy.start()
        if self._waits_from is not None:
            self.restart_patience(self._waits_from)

    def begin_with(self, stopper: Mapping[str, Any], max_steps: int | None) -> None:
        """Replace the policy before the first validation by the same policy with its epochs in steps."""
        self._spec, self.max_steps = stopper, max_steps
        if self._policy is not None:
            mode, self._policy = self._policy.mode, None
            self.set_mode(mode)

    def set_max_steps(self, steps: int) -> None:
        """Move the run's last step, and that of a max_steps policy in the stopper.

        A stop that is already decided stays; `lift_stop` lifts it.
        """
        self.max_steps = steps
        self._spec = move_end(self._spec, steps)
        if self._policy is not None:
            self._policy = end_at(steps, build(self._spec, self._policy.mode))
            self._move(self._fit)

    def observe(self, validation: Validation) -> Decision:
        """Judge one validation at the present training time; without a value it only says how far training has come.

        Raises MetricMissing if the first validation lacks a metric that the policy reads.
        """
        validation = replace(validation, seconds=self.seconds)
        if validation.value is not None and not self._state.get("validations"):
            self._check_metrics(validation)
        with self._lock:
            before = self._state
            self._state, decision = self._judge(before, validation)
            if self.is_checked and self._state is not before:
                self._trail.add(Step(before, self._state, validation=validation))
        return decision

    def note_recovery(self, recovery: Recovery) -> None:
        """Count that training goes back by itself; the next `go_on_from(recall(…))` keeps the count."""
        self._move(lambda state: {**state, "memory": self.policy.note(state["memory"], recovery)})

    def give_up(self, step: int, message: str) -> Decision:
        """Stop at `step`, because training is broken and there is nothing to go back to; return the decision."""
        best_step, best_value = self.best
        decision = Decision(True, False, step, message, StopReason.UNRECOVERABLE, best_step, best_value)
        self._move(lambda state: {**state, "decision": decision.to_json()})
        return decision

    def confirm(self, step: int, value: float) -> None:
        """Confirm a best for good: its network is finite."""
        with self._lock:
            self._trail.confirm(step, value)

    def withdraw(self, step: int, value: float, fault: str) -> Decision | None:
        """Withdraw a best, because of a `fault` in its network, and judge all later validations once more.

        Returns the decision as it is now; None if no such best waits for its check. Safe from any thread.
        """
        with self._lock:
            state = self._trail.redo_without(
                step, value, fault, lambda was, validation: self._judge(self._fit(was), validation)[0]
            )
            if state is None:
                return None
            self._state = state
            return self.decision

    def deadline(self) -> int | None:
        """Return the step at which the run stops without a validation, or None. Cached, since every batch asks."""
        state, deadline = self._deadline
        if state is not self._state:
            state = self._state
            deadline = self._policy.deadline(state) if self._policy is not None else None
            self._deadline = state, deadline
        return deadline

    def state(self) -> dict[str, Any]:
        """Return the whole memory as JSON."""
        state = {"policy": self._state, "seconds": self.seconds}
        return state if self.watch is None else {**state, "watch": self.watch.state()}

    def go_on_from(self, state: Mapping[str, Any], *, keep_seconds: bool = False) -> None:
        """Go on from a state that `state()` returned; with `keep_seconds`, as at a roll back, the training time stays.

        The state may come from another max_steps or from none; a state from before the mode was known changes nothing.
        Raises PolicyError for another policy's state.
        """
        if state["policy"]:
            self._go_to(self._fit(state["policy"]))
        if self.watch is not None:
            self.watch.go_on_from(state.get("watch") or ())
        if not keep_seconds:
            self._began = self._clock() - float(state["seconds"])

    def recall(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return an earlier state of the run with the best and the recoveries so far: a run's best never gets worse.

        Changes nothing in the stopper. Raises PolicyError for another policy's state.
        """
        if self._policy is None:
            return dict(state)
        with self._lock:
            past = self._fit(self._trail.settle(state["policy"])) if state.get("policy") else self._policy.start()
            past = {**past, "memory": self._policy.carry(past["memory"], self._state["memory"])}
            return {**state, "policy": self._with_best(past, self._state["best_step"], self._state["best_value"])}

    def settle(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an earlier state of the run without the bests that were withdrawn since."""
        with self._lock:
            policy = state.get("policy")
            return {**state, "policy": self._trail.settle(policy)} if policy else state

    def remember_best(self, step: int | None, value: float | None) -> None:
        """Take over the best of another branch of the run, if it is better."""
        if self._policy is not None:
            self._move(lambda state: self._with_best(state, step, value))

    def change(self, step: int, overrides: Overrides) -> None:
        """Apply overrides from `step` on (a new last step, restarted patience), and lift a decided stop."""
        if overrides.max_steps is not None:
            self.set_max_steps(overrides.max_steps)
        self.lift_stop(step)
        if overrides.reset_patience:
            self.restart_patience(step)

    def restart_patience(self, step: int) -> None:
        """Restart the patience at `step`; the best stays, and a decided stop is lifted."""
        self._waits_from = step
        if self._policy is not None:
            self._move(lambda state: self.policy.restart_patience(state, step))

    def lift_stop(self, step: int) -> None:
        """Lift a decided stop: training goes on from `step`.

        Restarts the patience, unless max_steps alone stopped the run.
        """
        if self.decision is not None and self.decision.stop:
            self._move(lambda state: self._lift(state, step))

    def _judge(self, state: State, validation: Validation) -> tuple[State, Decision]:
        before = state["decision"]
        state, decision = self.policy.observe(state, validation)
        if decision.rung is not None and decision.to_json() != before:
            decision = _append_rung(decision, self._say_rung(decision.rung))
            state = {**state, "decision": decision.to_json()}
        return state, decision

    def _move(self, move: Move) -> None:
        """Change the state, and note the change so that `withdraw` can repeat it."""
        with self._lock:
            before, self._state = self._state, move(self._state)
            self._trail.add(Step(before, self._state, move))

    def _go_to(self, state: State) -> None:
        """Go to an earlier state that holds the best since. Repeated by `withdraw`, with the best at that time."""

        def go(present: State) -> State:
            best = {name: present[name] for name in ("best_step", "best_value")}
            return {**self._trail.settle(state), **best}

        with self._lock:
            before, self._state = self._state, state
            self._trail.add(Step(before, state, go))

    def _lift(self, state: State, step: int) -> State:
        decision = Decision.from_json(state["decision"]) if state["decision"] else None
        if decision is None or not decision.stop:
            return state
        if {verdict.reason for verdict in decision.verdicts if verdict.stop} == {StopReason.MAX_STEPS}:
            return {**state, "last": None, "decision": None}
        self._waits_from = step
        return self.policy.restart_patience(state, step)

    def _waits_at(self, rung: int) -> bool:
        return self.promotions is not None and rung > self.promotions

    def _say_rung(self, rung: int) -> str:
        """Say what the policy cannot know: whether the run waits at the rung."""
        if self._waits_at(rung):
            return "the run waits"
        why = "it is in no sweep that goes on" if self.promotions is None else "it was promoted before"
        return f"the run goes straight on, because {why}"

    def _check_metrics(self, validation: Validation) -> None:
        missing = sorted(name for name in self.policy.all_metrics if validation.get_metric(name) is None)
        if missing:
            raise MetricMissing(
                f"The stopper reads {', '.join(missing)}; "
                f"the validation has {', '.join(sorted(validation.metrics)) or 'no metrics'}.",
                field="stopper",
                hint="Name one of these, or add the metric in model.compile(metrics=[…]); "
                "run.report_validation takes metrics={…}.",
            )

    def _with_best(self, state: State, step: int | None, value: float | None) -> State:
        is_new = is_better(value, state["best_value"], self.policy.mode)
        return {**state, "best_step": step, "best_value": value} if is_new else state

    def _fit(self, state: Mapping[str, Any]) -> State:
        """Return a state in the form of the present policy: with the part for max_steps, or without it."""
        policy, fitted = self.policy, dict(state)
        request = policy if self.max_steps is None else policy.parts[0]
        ended = end_at(self.max_steps or 1, request)
        if policy is not request and fitted.get("policy") == request.signature:
            fitted |= {"policy": ended.signature, "memory": {"policies": [fitted["memory"], ended.parts[1].begin()]}}
        elif policy is request and fitted.get("policy") == ended.signature:
            fitted |= {"policy": request.signature, "memory": fitted["memory"]["policies"][0]}
        policy.deadline(fitted)  # raises PolicyError for another policy's state
        return fitted


def _append_rung(decision: Decision, words: str) -> Decision:
    """Add `words`, what the run does at its rung, to the messages of the decision and of the rung's verdict."""
    verdicts = [
        replace(verdict, message=f"{verdict.message}; {words}") if verdict.rung else verdict
        for verdict in decision.verdicts
    ]
    return replace(decision, verdicts=tuple(verdicts), message=f"{decision.message} {words[0].upper()}{words[1:]}.")


def known_mode(mode: contract.Mode | None) -> Mode | None:
    """Return a mode of the contract as policies write it; None for "auto"."""
    return "max" if mode is contract.Mode.MAX else "min" if mode is contract.Mode.MIN else None


def mode_of(monitor: str) -> Mode:
    """Return which way a metric gets better by its name alone; raises InvalidInput if the name does not tell."""
    mode = find_mode(monitor)
    if mode is None:
        raise InvalidInput(
            f"The name {monitor!r} does not tell which way the metric gets better.",
            field="mode",
            hint="Begin the run with keepbest.init(…, mode='max') or mode='min'.",
        )
    return mode
