"""A stopping policy as data: a name, its parameters, and for compositions the policies inside."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from keepbest.contract.base import MAX_WHOLE, Answer, Scalar, Shape, Whole

#: As one writes it: `patience(7) | max_seconds(3600)`.
PolicyText = Annotated[str, Field(min_length=1, max_length=2000)]


class PolicySpec(Shape):
    """The JSON form of a policy; `keepbest.stopping.build` turns it into one and checks every parameter."""

    name: str = Field(max_length=50)
    version: Whole = 1
    params: dict[str, Scalar] = Field(default_factory=dict, max_length=20)
    policies: list[PolicySpec] = Field(default_factory=list, max_length=10)


class RetentionSpec(Shape):
    """Which checkpoints stay on disk: the union of these and of the pinned ones."""

    best: int = Field(default=1, ge=1, le=100)
    last: int = Field(default=1, ge=0, le=100)
    every_steps: int | None = Field(default=None, ge=1, le=MAX_WHOLE)


class SelectorSpec(Shape):
    """The JSON form of a selector; `keepbest.selection.selectors.build` checks every parameter."""

    name: str = Field(default="best", max_length=50)
    params: dict[str, Scalar] = Field(default_factory=dict, max_length=20)


class PolicyVerdict(Answer):
    """What one policy said at a validation."""

    policy: str
    version: Whole = 1
    stop: bool
    reason: str | None = None
    message: str = ""
    would_stop: bool = Field(default=False, description="in the shadow: it would stop here, and training goes on")
    rate_factor: float | None = Field(default=None, description="the learning rate is multiplied by this here")
    rung: Whole | None = Field(default=None, description="a run of a sweep pauses here until it is promoted")


class StopperDecision(Answer):
    """The stopper's answer at one validation; a row of the decision log.

    `wait` and `patience_left` count in `unit` (checks or steps); a policy without patience leaves them null.
    `at_step` is the step at which it stops, which may lie before the validation (patience in steps, max_steps).
    """

    stop: bool
    improved: bool
    at_step: Whole | None = None
    reason: str | None = None
    best_step: Whole | None = None
    best_value: float | None = None
    wait: Whole | None = None
    patience_left: Whole | None = None
    unit: str | None = Field(default=None, max_length=10)
    message: str = ""
    verdicts: list[PolicyVerdict] = Field(default_factory=list)
    is_admitted: bool = Field(default=True, description="false: it breaks a bound of `require`, and is never the best")
    rate_factor: float | None = Field(default=None, description="the learning rate is multiplied by this here")
    min_rate: float = Field(default=0.0, description="what `rate_factor` does not bring the learning rate below")
    rung: Whole | None = Field(default=None, description="a run of a sweep pauses here until it is promoted")
