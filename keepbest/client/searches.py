"""The routes that look for runs: pages of runs, groups of runs, and the names that a filter can use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from keepbest.client.requests import Requests
from keepbest.client.transport import path_of
from keepbest.contract.runs import RunPage
from keepbest.contract.search import ProjectFields, RunGroups


class Searches(Requests):
    """The part of the client that finds runs."""

    def runs(
        self,
        *,
        project: str | None = None,
        q: str | None = None,
        state: str | None = None,
        sort: str | None = None,
        order: Literal["asc", "desc"] | None = None,
        columns: Sequence[str] = (),
        count: bool = False,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> RunPage:
        """One page of the runs that fit the filter `q`, newest first unless `sort` says otherwise.

        `state` may name several, with commas. `columns` are parameters and metrics that each run's `values` then hold;
        `count` asks for the page's `total`.
        """
        query: dict[str, str | int | None] = {"project": project, "q": q, "state": state, "sort": sort, "order": order}
        query |= {"columns": ",".join(columns) or None, "count": "true" if count else None}
        return self._get(RunPage, path_of("runs"), query | {"cursor": cursor, "limit": limit})

    def groups(
        self,
        by: Sequence[str],
        *,
        project: str | None = None,
        q: str | None = None,
        state: str | None = None,
        metric: str | None = None,
        limit: int | None = None,
    ) -> RunGroups:
        """The runs that fit, in groups that have the same values in the fields `by`, with one metric of each group."""
        query: dict[str, str | int | None] = {"project": project, "q": q, "state": state, "by": ",".join(by)}
        return self._get(RunGroups, path_of("runs", "groups"), query | {"metric": metric, "limit": limit})

    def fields(self, project: str) -> ProjectFields:
        """What a filter can name in a project: metrics, parameters, tags, recipes, workers, users."""
        return self._get(ProjectFields, path_of("fields", project))
