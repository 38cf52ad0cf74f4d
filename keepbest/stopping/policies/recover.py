"""Goes back by itself where training breaks: to an earlier state, with a smaller learning rate, a few times at most.

The policy only says that training has to go back (`Decision.goes_back`) and counts how often it did;
`keepbest.training` goes back. The count stands outside the training state: it does not go back with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from keepbest.errors import InvalidInput
from keepbest.hints import nearest
from keepbest.status import StopReason
from keepbest.stopping.policies.guards import CheckFinite
from keepbest.stopping.policies.params import number, text, whole
from keepbest.stopping.policies.policy import Memory, Policy
from keepbest.stopping.signs import NonFinite, Sign, read_signs
from keepbest.stopping.validation import Recovery, Validation, Verdict

#: A learning rate as overrides have it: a number, or a multiple of the rate at that time.
_RATE = re.compile(r"(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?x?")
_STEPS = re.compile(r"(\d{1,15})\s*(?:steps?)?")
_THEN = ("stop", "go_on")


@dataclass(frozen=True, kw_only=True)
class Recover(Policy):
    """Where training breaks, go back to an earlier state and on from there with a smaller learning rate.

    What counts as broken (`on`) is judged at each batch: `non_finite`, `spike(z=20, window=100)`,
    `divergence(ratio=3, window=100)`, joined by `|`. After `times` recoveries the next breakage stops the run, with the
    best restored.

    Example:
        >>> from keepbest.stopping import Recover, Validation
        >>> policy = Recover(mode="min", times=1)
        >>> state = policy.start()
        >>> for step, value in [(100, 0.5), (200, float("nan"))]:
        ...     state, decision = policy.observe(state, Validation(step, value))
        >>> decision.stop, decision.goes_back
        (False, 'the value is nan')
    """

    name: ClassVar[str] = "recover"
    reason: ClassVar[StopReason] = StopReason.UNRECOVERABLE

    learning_rate: str = text("the rate from there on: a number, or a multiple of the present rate", default="0.1x")
    times: int = whole("recoveries at most", default=3)
    on: str = text("what is broken: non_finite, spike(z=…), divergence(ratio=…), joined by |", default="non_finite")
    to: str = text("'best', or the newest state at least so many steps before the breakage ('200')", default="best")
    global_clipnorm: float | None = number(
        "the optimizer clips gradients to this global norm from there on", above=0, default=None
    )
    every: int | None = whole("keep a state each so many steps, besides those of validations", default=None)
    then: str = text("after the last recovery: 'stop', or 'go_on' without any more", default="stop")

    #: `used` are the steps of the states that training went back to since the last sound validation.
    initial: ClassVar[Memory] = {"recoveries": [], "used": []}

    def __post_init__(self) -> None:
        for name in ("learning_rate", "to"):
            value = getattr(self, name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                object.__setattr__(self, name, str(value))
        super().__post_init__()
        if not _RATE.fullmatch(self.learning_rate) or float(self.learning_rate.rstrip("x")) <= 0:
            message = f"learning_rate is a number above 0, or a multiple such as 0.1x, but got {self.learning_rate!r}."
            raise InvalidInput(message, field="learning_rate")
        if self.to != "best" and not _STEPS.fullmatch(self.to):
            raise InvalidInput(f"to is 'best' or a number of steps, but got {self.to!r}.", field="to")
        if self.then not in _THEN:
            message = f"then is one of {', '.join(_THEN)}, but got {self.then!r}."
            raise InvalidInput(message, field="then", hint=nearest(self.then, _THEN))
        self.signs  # noqa: B018  # raises if they cannot be read

    @cached_property
    def signs(self) -> tuple[Sign, ...]:
        """The signs that training is broken."""
        return read_signs(self.on)

    @property
    def steps_back(self) -> int | None:
        """How many steps before the breakage the state is taken at least; None for the best."""
        match = _STEPS.fullmatch(self.to)
        return None if match is None else int(match[1])

    @property
    def sets_rate(self) -> bool:
        """Whether a recovery changes the learning rate."""
        return self.learning_rate not in ("1x", "1.0x")

    @property
    def judges_finite(self) -> bool:
        """Whether a value, loss or network that is not finite counts as broken."""
        return any(isinstance(sign, NonFinite) for sign in self.signs)

    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        what, count = self._find_breakage(validation), len(memory["recoveries"])
        if what is None:
            memory = {**memory, "used": []} if validation.value is not None and memory["used"] else memory
            return memory, (self.verdict(validation, f"{count} of {self.times} recoveries"),)
        if count < self.times:
            message = f"{what}: training goes back, {count + 1} of {self.times}"
            return memory, (replace(self.verdict(validation, message), goes_back=what),)
        times = f"{count} recover{'y' if count == 1 else 'ies'}"
        if self.then == "stop":
            return memory, (self.verdict(validation, f"{what}, after {times}", stop=True),)
        return memory, (self.verdict(validation, f"{what}; after {times} training goes on"),)

    def carry(self, past: Memory, present: Memory) -> Memory:
        return present

    def note(self, memory: Memory, recovery: Recovery) -> Memory:
        recoveries, used = [*memory["recoveries"], recovery.to_json()], [*memory["used"], recovery.to]
        return {"recoveries": recoveries, "used": used}

    def recoveries(self, memory: Memory) -> tuple[Recovery, ...]:
        return tuple(Recovery(**entry) for entry in memory["recoveries"])

    def used(self, memory: Memory) -> frozenset[int]:
        return frozenset(memory["used"])

    @property
    def recovering(self) -> tuple[Policy, ...]:
        return (self,)

    @property
    def can_stop(self) -> bool:
        return self.then == "stop"

    @property
    def awaits_progress(self) -> bool:
        return False

    def _find_breakage(self, validation: Validation) -> str | None:
        """Return what is broken: what the batches showed, or a value, loss or network that is not finite."""
        if validation.broken is not None or not self.judges_finite:
            return validation.broken
        _, (verdict,) = CheckFinite(mode=self.mode).judge({}, validation)
        return verdict.message if verdict.stop else None


def rule_of(policy: Policy) -> Recover | None:
    """Return the `recover` that decides in a stopper, or None."""
    return next((rule for rule in policy.recovering if isinstance(rule, Recover)), None)
