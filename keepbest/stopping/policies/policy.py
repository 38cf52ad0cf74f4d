"""The frame around every policy: it checks the order of validations, compares raw values and records the decision.

A policy adds only its own rule. Decisions are recorded, never computed again: after a stop the same decision comes
back, and the same step with the same value gets the same answer.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar

from keepbest.errors import PolicyError
from keepbest.figures import figure
from keepbest.status import StopReason
from keepbest.stopping.policies.params import check_mode, check_params
from keepbest.stopping.validation import Decision, Mode, Recovery, State, Unit, Validation, Verdict, is_better

#: The memory of one rule; the frame's `State` holds it under "memory".
Memory = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Policy(ABC):
    """A stopping policy: frozen parameters, no clock, no input or output, no randomness.

    Validations come in order of step. `mode` says which way the value gets better.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    reason: ClassVar[StopReason]
    #: The fields of a validation, besides step and value, that this rule cannot judge without.
    needs: ClassVar[tuple[str, ...]] = ()
    #: The memory before the first validation, and the part of it that restarting the patience sets.
    initial: ClassVar[Memory] = {}
    renewed: ClassVar[Memory] = {}

    mode: Mode

    def __post_init__(self) -> None:
        check_mode(self.mode)
        check_params(self)

    def start(self) -> State:
        """Return the state before the first validation."""
        return {
            "policy": self.signature,
            "validations": 0,
            "last": None,
            "best_step": None,
            "best_value": None,
            "decision": None,
            "memory": self.begin(),
        }

    def observe(self, state: State, validation: Validation) -> tuple[State, Decision]:
        """Judge one validation, and return the state after it and the decision.

        Raises PolicyError if another policy wrote the state, if the step lies before the last validation's, or if the
        last validation's step comes again with another value.
        """
        self._check_state(state)
        recorded = _recorded(state, validation)
        if recorded is not None:
            return state, recorded
        due = self.due(state["memory"])
        if due is not None and validation.step > due:
            validation = Validation(due)  # training should have ended at `due`, before this measurement
        return self._judge(state, validation)

    def deadline(self, state: State) -> int | None:
        """Return the first step at which the policy stops without a validation, or None if only a validation can stop.

        A trainer that reaches this step measures there if a validation is due, then observes `Validation(step, value
        or None)`.
        """
        self._check_state(state)
        if state["decision"] is not None and state["decision"]["stop"]:
            return int(state["decision"]["at_step"])
        return self.due(state["memory"])

    def restart_patience(self, state: State, step: int) -> State:
        """Return the state with its patience restarted at `step`: the best stays, and a recorded stop is lifted."""
        self._check_state(state)
        return {**state, "last": None, "decision": None, "memory": self.rest(state["memory"], step)}

    def begin(self) -> Memory:
        """Return this rule's memory before the first validation."""
        return dict(self.initial)

    @abstractmethod
    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        """Apply this rule to one validation (its value may be None) without changing `memory`."""

    def due(self, memory: Memory) -> int | None:
        """Return the step at which this rule stops without any validation."""
        return None

    def rest(self, memory: Memory, step: int) -> Memory:
        """Return the memory with the patience restarted at `step`."""
        return {**memory, **self.renewed}

    def carry(self, past: Memory, present: Memory) -> Memory:
        """Return the memory after training went back to when it was `past`: what stands outside of training stays."""
        return past

    def note(self, memory: Memory, recovery: Recovery) -> Memory:
        """Return the memory after training went back by itself."""
        return memory

    def recoveries(self, memory: Memory) -> tuple[Recovery, ...]:
        """Return how training went back by itself so far, oldest first."""
        return ()

    def used(self, memory: Memory) -> frozenset[int]:
        """Return the steps that training went back to by itself since the last sound validation."""
        return frozenset()

    def lacks(self, validation: Validation) -> set[str]:
        """Return the names of what this rule, or one inside it, needs and the validation lacks."""
        lacking = {name for name in self.all_needs if getattr(validation, name) is None}
        return lacking | {name for name in self.all_metrics if validation.get_metric(name) is None}

    def find_faults(self, validation: Validation) -> list[str]:
        """Return, in words, why this validation may not be the best, whatever its value."""
        return [fault for part in self.parts for fault in part.find_faults(validation)]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The further metrics that this rule itself reads."""
        return ()

    @property
    def params(self) -> dict[str, Any]:
        """The parameters by name. One that older records lack appears only if it differs from its default."""
        declared = [(field, getattr(self, field.name)) for field in fields(self) if "param" in field.metadata]
        return {
            field.name: value
            for field, value in declared
            if not (field.metadata["param"].is_later and value == field.default)
        }

    @property
    def parts(self) -> tuple[Policy, ...]:
        """The policies inside a composition."""
        return ()

    @property
    def can_stop(self) -> bool:
        """Whether this rule can ever stop a run."""
        return True

    @property
    def awaits_progress(self) -> bool:
        """Whether this rule, or a deciding one inside it, stops when the run gets no better, and is no mere limit."""
        return any(part.awaits_progress for part in self.parts) if self.parts else self.can_stop

    @property
    def changes_rate(self) -> bool:
        """Whether this rule, or a deciding one inside it, may set the learning rate."""
        return any(part.changes_rate for part in self.parts)

    @property
    def pausing(self) -> tuple[Policy, ...]:
        """This rule and those inside it that decide where a run of a sweep pauses."""
        return tuple(rule for part in self.parts for rule in part.pausing)

    @property
    def recovering(self) -> tuple[Policy, ...]:
        """This rule and those inside it that make training go back where it breaks."""
        return tuple(rule for part in self.parts for rule in part.recovering)

    @property
    def unshadowed(self) -> Policy:
        """The same rule without shadows: every policy in it decides."""
        return self

    @cached_property
    def signature(self) -> str:
        """Names and versions. A state must match them; parameters may change between two attempts of a run."""
        inner = ",".join(part.signature for part in self.parts)
        return f"{self.name}@{self.version}" + (f"({inner})" if inner else "")

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form with every parameter written out; `build` makes the same policy from it."""
        parts = [part.to_json() for part in self.parts]
        return {"name": self.name, "version": self.version, "params": self.params, "policies": parts}

    def fingerprint(self) -> str:
        """Return a digest of mode, names, versions and parameters: equal digests mean the same rule."""
        text = json.dumps({"mode": self.mode, **self.to_json()}, sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def verdict(
        self,
        validation: Validation,
        message: str,
        *,
        stop: bool = False,
        wait: int | None = None,
        limit: int | None = None,
        unit: Unit | None = None,
    ) -> Verdict:
        """Return this policy's verdict at a validation; `wait` of `limit` checks or steps have passed."""
        reason = self.reason if stop else None
        left = None if wait is None or limit is None else max(0, limit - wait)
        return Verdict(self.name, self.version, stop, message, validation.step, reason, wait, left, unit)

    @cached_property
    def all_needs(self) -> frozenset[str]:
        """The `needs` of this rule and of those inside it."""
        return frozenset(self.needs).union(*(part.all_needs for part in self.parts))

    @cached_property
    def all_metrics(self) -> frozenset[str]:
        """The further metrics that this rule and those inside it read."""
        return frozenset(self.metrics).union(*(part.all_metrics for part in self.parts))

    def _check_state(self, state: State) -> None:
        if state.get("policy") != self.signature:
            raise PolicyError(
                f"The policy {state.get('policy')!r} wrote this state, but the policy now is {self.signature!r}.",
                field="stopper",
                hint="Begin a new state with start(), or continue with the policy that the run began with.",
            )

    def _judge(self, state: State, validation: Validation) -> tuple[State, Decision]:
        memory, verdicts = self.judge(state["memory"], validation)
        faults = [*validation.faults, *self.find_faults(validation)]
        validation = replace(validation, is_admitted=False) if faults else validation
        improved = is_better(validation.merit, state["best_value"], self.mode)
        after = {**state, "memory": memory}
        if improved:
            after |= {"best_step": validation.step, "best_value": validation.value}
        decision = _decide(after, validation, improved, verdicts, faults)
        if validation.value is not None:
            after |= {
                "validations": state["validations"] + 1,
                "last": {"step": validation.step, "value": _named(validation.value)},
            }
        if validation.value is not None or decision.stop:
            after["decision"] = decision.to_json()
        return after, decision


def _recorded(state: State, validation: Validation) -> Decision | None:
    """Return the decision that the state already holds for this validation, or None."""
    recorded, last = state["decision"], state["last"]
    if recorded is not None and recorded["stop"]:
        return Decision.from_json(recorded)
    if last is None or validation.value is None or validation.step > last["step"]:
        return None
    if validation.step < last["step"]:
        raise PolicyError(
            f"The validation at step {validation.step:,} came after the validation at step {last['step']:,}.",
            field="step",
            hint="Report validations in order of step; after a roll back, go on from the state in the snapshot.",
        )
    if _named(validation.value) != last["value"]:
        raise PolicyError(
            f"Step {validation.step} was measured as {last['value']} before, and now as {validation.value}.",
            field="value",
            hint="One step has one value: is the validation data shuffled, cut short or augmented?",
        )
    return Decision.from_json(recorded)


def _decide(
    state: State, validation: Validation, improved: bool, verdicts: Sequence[Verdict], faults: Sequence[str]
) -> Decision:
    broken = next((verdict for verdict in verdicts if verdict.goes_back is not None), None)
    # A rule that stops at a broken value has judged what training is about to undo.
    counted = [verdict for verdict in verdicts if verdict.stop and broken is None]
    stops = sorted(counted, key=lambda verdict: verdict.at_step)
    patient = next((verdict for verdict in verdicts if verdict.unit is not None), None)
    spoken = stops[0] if stops else broken or patient or verdicts[0]
    active = verdicts if broken is None else ()
    reducing = next((verdict for verdict in active if verdict.rate_factor is not None), None)
    pausing = next((verdict for verdict in active if verdict.rung is not None and not stops), None)
    message = _sentence(state, validation, improved, spoken)
    for verdict in (reducing, pausing):
        if verdict is not None and verdict is not spoken:
            message += f" {verdict.message[0].upper()}{verdict.message[1:]}."
    if faults:
        message += f" It cannot be the best: {'; '.join(faults)}."
    for verdict in verdicts:
        if verdict.would_stop and verdict is not spoken:
            message += f" In the shadow, {verdict.policy} {verdict.message}."
    return Decision(
        stop=bool(stops),
        improved=improved,
        at_step=spoken.at_step if stops else validation.step,
        message=message,
        reason=spoken.reason if stops else None,
        best_step=state["best_step"],
        best_value=state["best_value"],
        wait=patient.wait if patient else None,
        patience_left=patient.patience_left if patient else None,
        unit=patient.unit if patient else None,
        verdicts=tuple(verdicts),
        is_admitted=validation.is_admitted,
        rate_factor=reducing.rate_factor if reducing else None,
        min_rate=reducing.min_rate if reducing else 0.0,
        rung=pausing.rung if pausing else None,
        goes_back=broken.goes_back if broken else None,
    )


def _sentence(state: State, validation: Validation, improved: bool, spoken: Verdict) -> str:
    if spoken.stop:
        return f"Stop at step {spoken.at_step:,}: {spoken.message}; {_best(state)}."
    if validation.value is None:
        return f"No value at step {validation.step:,}; {_best(state)}."
    if improved:
        return f"Step {validation.step:,}: {figure(validation.value)} is the best so far; {spoken.message}."
    return f"Step {validation.step:,}: {figure(validation.value)}; {spoken.message}; {_best(state)}."


def _best(state: State) -> str:
    if state["best_step"] is None:
        return "no finite value so far"
    return f"best {figure(state['best_value'])} at step {state['best_step']:,}"


def _named(value: float) -> float | str:
    """Return a float that JSON can carry; NaN and the infinities have the names that the API gives them."""
    if value != value:
        return "NaN"
    return {float("inf"): "Infinity", float("-inf"): "-Infinity"}.get(value, value)
