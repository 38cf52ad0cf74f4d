"""An improvement counts only while other metrics are within bounds: `val_recall >= 0.9 and val_loss < 0.5`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from keepbest.errors import InvalidInput
from keepbest.figures import figure
from keepbest.stopping.policies.compose import Wrapper
from keepbest.stopping.policies.params import text
from keepbest.stopping.policies.policy import Memory
from keepbest.stopping.validation import Validation, Verdict

_SIGNS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_BOUND = re.compile(
    r"\s*(?P<metric>[^\s<>=\"'][^<>=\"']*?)\s*(?P<sign>[<>]=?)\s*(?P<limit>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*"
)


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit on one metric of a validation; NaN is never within a limit."""

    metric: str
    sign: str
    limit: float

    def find_fault(self, validation: Validation) -> str | None:
        """Return how the validation breaks this bound, or None."""
        measured = validation.get_metric(self.metric)
        if measured is None:
            return f"{self.metric} was not measured"
        if _SIGNS[self.sign](measured, self.limit):
            return None
        return f"{self.metric} is {figure(measured)}, not {self.sign} {figure(self.limit, 10)}"


@dataclass(frozen=True, kw_only=True)
class Require(Wrapper):
    """Count a validation as an improvement only if its other metrics are within bounds: `val_recall >= 0.9`.

    Any other validation brings the policy inside no improvement, whatever its value, and is never the run's best.

    Example:
        >>> from keepbest.stopping import Patience, Require, Validation
        >>> inner = Patience(mode="max", checks=5)
        >>> policy = Require(mode="max", condition="val_recall >= 0.9", policies=(inner,))
        >>> state = policy.start()
        >>> for step, value, recall in [(100, 0.6, 0.95), (200, 0.8, 0.5)]:
        ...     state, decision = policy.observe(state, Validation(step, value, metrics={"val_recall": recall}))
        >>> decision.improved, decision.best_step
        (False, 100)
    """

    name: ClassVar[str] = "require"

    condition: str = text("bounds on metrics of the validation, joined by `and`")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.bounds  # noqa: B018  # raises if the condition cannot be read

    @cached_property
    def bounds(self) -> tuple[Bound, ...]:
        return tuple(_read_bound(part) for part in re.split(r"\band\b", self.condition))

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(bound.metric for bound in self.bounds)

    def judge(self, memory: Memory, validation: Validation) -> tuple[Memory, tuple[Verdict, ...]]:
        faults = self._find_own_faults(validation)
        memory, verdicts = super().judge(memory, replace(validation, is_admitted=False) if faults else validation)
        message = "; ".join(faults) or (self.condition if validation.value is not None else "no value")
        return memory, (*verdicts, self.verdict(validation, message))

    def find_faults(self, validation: Validation) -> list[str]:
        return [*self._find_own_faults(validation), *super().find_faults(validation)]

    def _find_own_faults(self, validation: Validation) -> list[str]:
        if validation.value is None:
            return []
        return [fault for bound in self.bounds if (fault := bound.find_fault(validation)) is not None]


def _read_bound(part: str) -> Bound:
    match = _BOUND.fullmatch(part)
    if match is None:
        message = f"{part.strip()!r} is no bound; a bound is a metric, one of {', '.join(_SIGNS)} and a number."
        raise InvalidInput(message, field="condition", hint="For example: val_recall >= 0.9 and val_loss < 0.5")
    return Bound(match["metric"], match["sign"], float(match["limit"]))
