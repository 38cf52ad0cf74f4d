"""The frame around every policy: order of validations, raw best, the recorded decision. A policy adds only its own
rule.

A decision is a record, not a latch that is computed again: after a stop the same decision comes back, and the same
step with the same value gets the same answer.
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
from keepbest.status import StopReason
from keepbest.stopping.policies.params import check_mode, check_params
from keepbest.stopping.validation import Decision, Mode, State, Unit, Validation, Verdict, is_better

#: What one rule remembers; the frame's `State` holds it under "memory".
Memory = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Policy(ABC):
    """A stopping policy: frozen parameters, no clock, no input or output, no random.

    Validations come in order of step. `mode` says which way is better.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    reason: ClassVar[StopReason]
    #: What of a validation, besides step and value, this rule cannot judge without.
    needs: ClassVar[tuple[str, ...]] = ()

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
        """Judge one validation: the state after it, and the decision.

        Raises PolicyError when the state is another policy's, the step lies before the last validation's, or the last
        validation's step comes again with another value.
        """
        self._check_state(state)
        recorded = _recorded(state, validation)
        if recorded is not None:
            return state, recorded
        due = self.due(state["memory"])
        if due is not None and validation.step > due:
            validation = Validation(due)  # training should have ended there: this measurement never happened
        return self._judge(state, validation)

    def deadline(self, state: State) -> int | None:
        """Return the first step at which silence alone stops, or None when only a validation can.

        A trainer that comes to this step measures there if a validation is due, then observes `Validation(step, value
        or None)`.
        """
        self._check_state(state)
        if state["decision"] is not None and state["decision"]["stop"]:
            return int(state["decision"]["at_step"])
        return self.due(state["memory"])

    def restart_patience(self, state: State, step: int) -> State:
        """Return the state with its patience begun anew at `step`: the best stays, a recorded stop is lifted."""
        self._check_state(state)
        return {**state, "last": None, "decision": None, "memory": self.rest(state["memory"], step)}

    @abstractmethod
    def begin(self) -> Memory:
        """Return what this rule remembers before the first validation."""

    @abstractmethod
    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        """Apply this rule to one validation (its value may be None) without changing `memory`."""

    def due(self, memory: Memory) -> int | None:
        """Return the step at which this rule stops without any validation."""
        return None

    def rest(self, memory: Memory, step: int) -> Memory:
        """Return what this rule remembers when its patience begins anew at `step`."""
        return memory

    def lacks(self, validation: Validation) -> set[str]:
        """Return what this rule, or one inside it, needs of a validation and `report_validation` does not say."""
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
        """The parameters as the JSON form names them; what came later only where it is said, as in older records."""
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
        """Whether this rule, or one inside it that decides, stops where the run gets no better: it is no mere limit."""
        return any(part.awaits_progress for part in self.parts) if self.parts else self.can_stop

    @property
    def changes_rate(self) -> bool:
        """Whether this rule, or one inside it that decides, may set the learning rate."""
        return any(part.changes_rate for part in self.parts)

    @property
    def pausing(self) -> tuple[Policy, ...]:
        """The rules in here, itself among them, that decide where a run of a sweep pauses."""
        return tuple(rule for part in self.parts for rule in part.pausing)

    @property
    def unshadowed(self) -> Policy:
        """The same rule with nothing in the shadow: every policy in it decides."""
        return self

    @cached_property
    def signature(self) -> str:
        """Names and versions, which a state must match; parameters may change between two attempts of a run."""
        inner = ",".join(part.signature for part in self.parts)
        return f"{self.name}@{self.version}" + (f"({inner})" if inner else "")

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form with every parameter written out; `build` makes the same policy of it."""
        parts = [part.to_json() for part in self.parts]
        return {"name": self.name, "version": self.version, "params": self.params, "policies": parts}

    def fingerprint(self) -> str:
        """Return a digest of mode, names, versions and parameters: equal means that the same rule was run."""
        text = json.dumps({"mode": self.mode, **self.to_json()}, sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def verdict(
        self,
        validation: Validation,
        message: str,
        *,
        stop: bool = False,
        wait: int | None = None,
        patience_left: int | None = None,
        unit: Unit | None = None,
    ) -> Verdict:
        """Return this policy's verdict at `report_validation`."""
        reason = self.reason if stop else None
        return Verdict(self.name, self.version, stop, message, validation.step, reason, wait, patience_left, unit)

    @cached_property
    def all_needs(self) -> frozenset[str]:
        """What this rule, or one inside it, cannot judge a validation without, besides step, value and metrics."""
        return frozenset(self.needs).union(*(part.all_needs for part in self.parts))

    @cached_property
    def all_metrics(self) -> frozenset[str]:
        """The further metrics that this rule, or one inside it, reads."""
        return frozenset(self.metrics).union(*(part.all_metrics for part in self.parts))

    def _check_state(self, state: State) -> None:
        if state.get("policy") != self.signature:
            raise PolicyError(
                f"This state was written by {state.get('policy')!r}, but the policy is {self.signature!r}.",
                field="stopper",
                hint="Start the policy anew with start(), or continue with the policy the run began with.",
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
    """Return the decision that stands already for this validation, if there is one."""
    recorded, last = state["decision"], state["last"]
    if recorded is not None and recorded["stop"]:
        return Decision.from_json(recorded)
    if last is None or validation.value is None or validation.step > last["step"]:
        return None
    if validation.step < last["step"]:
        raise PolicyError(
            f"A validation at step {validation.step} came after the validation at step {last['step']}.",
            field="step",
            hint="Validations come in order of step; after a roll back, go on from the state kept in that snapshot.",
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
    stops = sorted((verdict for verdict in verdicts if verdict.stop), key=lambda verdict: verdict.at_step)
    patient = next((verdict for verdict in verdicts if verdict.unit is not None), None)
    spoken = stops[0] if stops else patient or verdicts[0]
    reducing = next((verdict for verdict in verdicts if verdict.rate_factor is not None), None)
    pausing = next((verdict for verdict in verdicts if verdict.rung is not None and not stops), None)
    return Decision(
        stop=bool(stops),
        improved=improved,
        at_step=spoken.at_step if stops else validation.step,
        message="".join(
            [
                _sentence(state, validation, improved, spoken),
                _further(reducing if reducing is not spoken else None),
                _further(pausing if pausing is not spoken else None),
                _not_best(faults),
                _in_the_shadow(verdicts, spoken),
            ]
        ),
        reason=spoken.reason,
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
    )


def _sentence(state: State, validation: Validation, improved: bool, spoken: Verdict) -> str:
    if spoken.stop:
        return f"Stop at step {spoken.at_step}: {spoken.message}; {_best(state)}."
    if validation.value is None:
        return f"No value at step {validation.step}; {_best(state)}."
    if improved:
        return f"Step {validation.step}: {validation.value:.10g} is the best so far; {spoken.message}."
    return f"Step {validation.step}: {validation.value:.10g}; {spoken.message}; {_best(state)}."


def _further(verdict: Verdict | None) -> str:
    return f" {verdict.message[0].upper()}{verdict.message[1:]}." if verdict else ""


def _not_best(faults: Sequence[str]) -> str:
    return f" It cannot be the best: {'; '.join(faults)}." if faults else ""


def _in_the_shadow(verdicts: Sequence[Verdict], spoken: Verdict) -> str:
    """Return a further sentence for each policy that would stop here, if it were asked."""
    lines = (verdict for verdict in verdicts if verdict.would_stop and verdict is not spoken)
    return "".join(f" In the shadow, {verdict.policy} {verdict.message}." for verdict in lines)


def _best(state: State) -> str:
    if state["best_step"] is None:
        return "no finite value so far"
    return f"best {state['best_value']:.10g} at step {state['best_step']}"


def _named(value: float) -> float | str:
    """Return a float that JSON can carry; NaN and the infinities by the names the API gives them."""
    if value != value:
        return "NaN"
    return {float("inf"): "Infinity", float("-inf"): "-Infinity"}.get(value, value)
