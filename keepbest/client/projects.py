"""The routes of projects: their settings and rules, their runs, and the names that a filter can use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal

from keepbest.client.requests import Requests, read_answer
from keepbest.client.transport import path_of
from keepbest.contract.aliases import Alias, AliasList, AliasMovePage, AliasRequest
from keepbest.contract.projects import Project, ProjectPage, ProjectPatch, ProjectRequest, UndeletedProject
from keepbest.contract.rules import ProjectRules, RulesRequest
from keepbest.contract.runs import RunPage
from keepbest.contract.search import ProjectFields, RunGroups
from keepbest.errors import NotFound, Stale
from keepbest.hints import nearest

#: Tries of `change_rules` while other people change the same rules.
MAX_TRIES = 5


class Projects(Requests):
    """The part of the client that looks after projects and finds their runs."""

    def projects(self, *, archived: bool = False, cursor: str | None = None, limit: int | None = None) -> ProjectPage:
        """One page of the projects, or of those that were archived."""
        query: dict[str, str | int | None] = {"archived": "true" if archived else None}
        return self._get(ProjectPage, path_of("projects"), query | {"cursor": cursor, "limit": limit})

    def project(self, name: str) -> Project:
        return self._get(Project, path_of("projects", name))

    def rules(self, project: str) -> ProjectRules:
        return self._get(ProjectRules, path_of("rules", project))

    def change_rules(self, project: str, change: Callable[[ProjectRules], RulesRequest]) -> ProjectRules:
        """Replace a project's rules by what `change` makes of them.

        If another person has set the rules meanwhile, calls `change` again with the new rules. Raises Stale after
        MAX_TRIES.
        """
        path = path_of("rules", project)
        for _ in range(MAX_TRIES):
            reply = self.transport.request("GET", path)
            request = change(read_answer(ProjectRules, reply.data))
            with suppress(Stale):
                return self._send(ProjectRules, "PUT", path, request, match=reply.headers["ETag"], repeatable=True)
        raise Stale(hint="Other people are changing the same rules: look at them, then try again.")

    def add_project(self, project: ProjectRequest) -> Project:
        return self._post(Project, path_of("projects"), project)

    def patch_project(self, name: str, patch: ProjectPatch) -> Project:
        """Change a project's description, archive it, or take it out of the archive."""
        return self._send(Project, "PATCH", path_of("projects", name), patch, repeatable=True)

    def delete_project(self, name: str) -> None:
        """Delete a project with its runs; raises Conflict while one of them lives."""
        self._delete(path_of("projects", name))

    def undelete_project(self, name: str) -> UndeletedProject:
        """Bring a deleted project back with its runs."""
        return self._post(UndeletedProject, path_of("undelete-project", name))

    def aliases(self, project: str) -> AliasList:
        return self._get(AliasList, path_of("aliases", project))

    def alias(self, reference: str) -> Alias:
        """Return an alias by project and name, as `digits@champion`; raises NotFound with the nearest one."""
        project, _, name = reference.rpartition("@")
        known = self.aliases(project).aliases
        for alias in known:
            if alias.name == name:
                return alias
        hint = nearest(name, [alias.name for alias in known]) or f"`keepbest alias ls {project}` lists its aliases."
        raise NotFound(f"Project {project} has no alias {name!r}.", field="alias", hint=hint)

    def set_alias(self, project: str, request: AliasRequest) -> Alias:
        """Give an alias to a checkpoint or an artifact, whatever had it before."""
        return self._send(Alias, "PUT", path_of("aliases", project), request, repeatable=True)

    def remove_alias(self, project: str, name: str) -> None:
        self.transport.request("DELETE", path_of("aliases", project), query={"name": name})

    def alias_moves(
        self, project: str, *, name: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> AliasMovePage:
        """One page of the history of a project's aliases, or of one of them, the newest move first."""
        query: dict[str, str | int | None] = {"name": name, "cursor": cursor, "limit": limit}
        return self._get(AliasMovePage, path_of("alias-moves", project), query)

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
