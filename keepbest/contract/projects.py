"""Defines projects: named sets of runs."""

from __future__ import annotations

from keepbest.contract.base import Answer, Id, Moment, Page, Shape, Text
from keepbest.contract.names import Name


class Project(Answer):
    """A project. `archived_at`: it takes no new run and is in no list, unless somebody asks for the archived ones."""

    name: str
    description: str = ""
    created_at: Moment
    archived_at: Moment | None = None
    runs: int = 0
    active: int = 0
    latest_run: Id | None = None
    updated_at: Moment | None = None


class ProjectPage(Page):
    projects: list[Project]


class ProjectRequest(Shape):
    name: Name
    description: Text = ""


class ProjectPatch(Shape):
    """What people may change about a project; what is left out stays as it is."""

    description: Text | None = None
    is_archived: bool | None = None


class UndeletedProject(Answer):
    """A deleted project that is back with `runs` of its runs. The files of `gone` checkpoints are gone for good."""

    project: Project
    runs: int
    gone: int
