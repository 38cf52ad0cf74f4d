"""Defines groups of runs, and the names that a filter of a project's runs can use."""

from __future__ import annotations

from pydantic import Field

from keepbest.contract.base import Answer, Count, Id, Json
from keepbest.contract.runs import Mode


class RunGroup(Answer):
    """Runs that have the same values in the requested fields; `median`, `min` and `max` of the requested metric."""

    values: dict[str, Json] = Field(description="the value of each requested field; null if the runs have none")
    count: Count
    measured: Count = Field(default=0, description="how many of the runs have a value of the metric")
    median: float | None = None
    min: float | None = None
    max: float | None = None
    best_run: Id | None = None
    best_name: str | None = None
    best_value: float | None = None


class RunGroups(Answer):
    """The groups, the largest first. `is_cut` says that there are more groups than the request allows."""

    by: list[str]
    metric: str | None = None
    mode: Mode | None = None
    groups: list[RunGroup]
    is_cut: bool = False


class MetricName(Answer):
    """A metric of a project's runs. `mode` is the direction in which it gets better; null if that is unknown."""

    key: str
    mode: Mode | None = None


class ParameterName(Answer):
    """A parameter of a project's runs, with a few of its values. `differs` says that there are several."""

    key: str
    values: list[Json] = Field(default_factory=list, max_length=100)
    differs: bool = False


class ProjectFields(Answer):
    """The names that a filter of a project's runs can use."""

    metrics: list[MetricName] = Field(default_factory=list)
    parameters: list[ParameterName] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)
    recipes: list[str] = Field(default_factory=list)
    workers: list[str] = Field(default_factory=list)
    users: list[str] = Field(default_factory=list)
    is_cut: bool = Field(default=False, description="whether there are more names than these")
