"""Defines policies, retention and selectors as data, and the stopper's decision."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from keepbest.contract.base import MAX_WHOLE, Answer, Scalar, Shape, Whole

#: A policy as people write it: `patience(7) | max_seconds(3600)`.
PolicyText = Annotated[str, Field(min_length=1, max_length=2000)]


class PolicySpec(Shape):
    """The JSON form of a policy. `keepbest.stopping.build` makes the policy and checks every parameter."""

    name: str = Field(max_length=50)
    version: Whole = 1
    params: dict[str, Scalar] = Field(default_factory=dict, max_length=20)
    policies: list[PolicySpec] = Field(default_factory=list, max_length=10)


class RetentionSpec(Shape):
    """Which checkpoints stay on disk: the best, the last, one each `every_steps`, and the pinned checkpoints."""

    best: int = Field(default=1, ge=1, le=100)
    last: int = Field(default=1, ge=0, le=100)
    every_steps: int | None = Field(default=None, ge=1, le=MAX_WHOLE)


class SelectorSpec(Shape):
    """The JSON form of a selector. `keepbest.selection.selectors.build` makes it and checks every parameter."""

    name: str = Field(default="best", max_length=50)
    params: dict[str, Scalar] = Field(default_factory=dict, max_length=20)


class PolicyVerdict(Answer):
    """What one policy inside the stopper answered at a validation."""

    policy: str
    version: Whole = 1
    stop: bool
    reason: str | None = None
    message: str = ""
    would_stop: bool = Field(
        default=False, description="whether a policy in the shadow would stop here; training goes on"
    )
    rate_factor: float | None = Field(default=None, description="the learning rate is multiplied by this here")
    rung: Whole | None = Field(default=None, description="a run of a sweep pauses here until it is promoted")
    goes_back: str | None = Field(default=None, description="what is broken, so that training goes back by itself")


class StopperDecision(Answer):
    """The stopper's answer at one validation; a row of the decision log.

    `wait` and `patience_left` count in `unit` (checks or steps); a policy without patience leaves them null. The stop
    is at `at_step`, which may lie before the validation (patience in steps, max_steps).
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
    is_admitted: bool = Field(
        default=True, description="false if the validation breaks a bound of `require`, so that it is never the best"
    )
    rate_factor: float | None = Field(default=None, description="the learning rate is multiplied by this here")
    min_rate: float = Field(default=0.0, description="the lowest learning rate that `rate_factor` may lead to")
    rung: Whole | None = Field(default=None, description="a run of a sweep pauses here until it is promoted")
    goes_back: str | None = Field(default=None, description="what is broken, so that training goes back by itself")
