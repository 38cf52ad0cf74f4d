"""What is read of many runs at once: groups of runs, and the names by which a project's runs can be looked for."""

from __future__ import annotations

from pydantic import Field

from keepbest.contract.base import Answer, Count, Id, Json
from keepbest.contract.runs import Mode


class RunGroup(Answer):
    """Runs that have the same values in the fields that were asked for; `median`, `min` and `max` of one metric."""

    values: dict[str, Json] = Field(description="by field, as it was asked for; null where the runs have no value")
    count: Count
    measured: Count = Field(default=0, description="how many of the runs have a value of the metric")
    median: float | None = None
    min: float | None = None
    max: float | None = None
    best_run: Id | None = None
    best_name: str | None = None
    best_value: float | None = None


class RunGroups(Answer):
    """The groups, the largest first; `is_cut` where there are more than were asked for."""

    by: list[str]
    metric: str | None = None
    mode: Mode | None = None
    groups: list[RunGroup]
    is_cut: bool = False


class MetricName(Answer):
    """A metric of a project's runs; `mode` is the direction in which it gets better, where that is known."""

    key: str
    mode: Mode | None = None


class ParameterName(Answer):
    """A parameter of a project's runs, with a few of its values; `differs` where there are several."""

    key: str
    values: list[Json] = Field(default_factory=list, max_length=100)
    differs: bool = False


class ProjectFields(Answer):
    """What a filter can name: what a project's runs measured, were given, and are called."""

    metrics: list[MetricName] = Field(default_factory=list)
    parameters: list[ParameterName] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)
    recipes: list[str] = Field(default_factory=list)
    workers: list[str] = Field(default_factory=list)
    users: list[str] = Field(default_factory=list)
    is_cut: bool = Field(default=False, description="there are more than are listed")
