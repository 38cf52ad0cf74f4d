"""Rules of a project, set from the tracker's side: they hold for every run that reports, whoever trains it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from keepbest.contract.base import Answer, Moment, Shape, Step
from keepbest.contract.policies import PolicySpec, PolicyText


class MedianRule(Shape):
    """Stop a run whose best value is worse than the median of the project's finished runs at the same step."""

    form: Literal["vizier", "optuna"] = "vizier"
    startup_runs: int = Field(default=5, ge=1, le=1000, description="finished runs before the rule acts")
    start_from: Step = Field(default=0, description="validations before this step are not judged")


class RulesRequest(Shape):
    """All rules of a project; what is null is no rule."""

    stopper: PolicySpec | PolicyText | None = Field(default=None, description="of runs that are submitted without one")
    median: MedianRule | None = None
    max_steps: int | None = Field(default=None, ge=1, le=2**53)
    max_seconds: float | None = Field(
        default=None, gt=0, le=1e9, allow_inf_nan=False, description="since the run first began to train"
    )


class ProjectRules(RulesRequest, Answer):
    """The rules in force, and who set them last; null where nobody ever did."""

    project: str
    stopper: PolicySpec | None = None
    set_by: str | None = None
    set_at: Moment | None = None
