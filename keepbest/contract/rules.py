"""Defines the rules of a project, which hold for each of its runs, whoever trains it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from keepbest.contract.base import Answer, Moment, Shape, Step
from keepbest.contract.policies import PolicySpec, PolicyText


class MedianRule(Shape):
    """Stop a run whose best value is worse than the median of the project's finished runs at the same step."""

    form: Literal["vizier", "optuna"] = "vizier"
    startup_runs: int = Field(
        default=5, ge=1, le=1000, description="how many runs must have finished before the rule acts"
    )
    start_from: Step = Field(default=0, description="the rule judges no validation before this step")


class RulesRequest(Shape):
    """All rules of a project. A field that is null sets no rule."""

    stopper: PolicySpec | PolicyText | None = Field(
        default=None, description="the stopper of runs that people submit without one"
    )
    median: MedianRule | None = None
    max_steps: int | None = Field(default=None, ge=1, le=2**53)
    max_seconds: float | None = Field(
        default=None,
        gt=0,
        le=1e9,
        allow_inf_nan=False,
        description="how long a run may take since it first began to train",
    )


class ProjectRules(RulesRequest, Answer):
    """The rules in force, and who set them last; null if nobody ever set rules."""

    project: str
    stopper: PolicySpec | None = None
    set_by: str | None = None
    set_at: Moment | None = None
