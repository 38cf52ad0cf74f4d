"""Aliases: names in a project, such as `champion`, each of one checkpoint or one version of an artifact."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from keepbest.contract.artifacts import ArtifactPath
from keepbest.contract.base import Answer, Count, Id, Moment, Page, Shape, Step
from keepbest.errors import InvalidInput

MAX_ALIAS = 100
_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
#: What stands behind an `@` and is no alias.
RESERVED = frozenset({"best", "last", "latest", "selected"})


def check_alias(text: str) -> str:
    """Return an alias; raises ValueError for what is none.

    Example:
        >>> check_alias("champion")
        'champion'
    """
    if len(text) > MAX_ALIAS or not _PATTERN.fullmatch(text):
        raise ValueError(f"an alias is a letter, then letters, digits, dots and dashes; at most {MAX_ALIAS}")
    if text.lower() in RESERVED:
        raise ValueError(f"{text!r} is no alias: it names a checkpoint of each run")
    return text


AliasName = Annotated[str, Field(min_length=1, max_length=MAX_ALIAS), AfterValidator(check_alias)]


class AliasRequest(Shape):
    """Gives an alias to a checkpoint, or to an artifact: to the file at a path of a run, by default its newest."""

    name: AliasName
    checkpoint: Id | None = None
    run: Id | None = None
    path: ArtifactPath | None = None
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class AliasTarget(Answer):
    """What an alias means: a checkpoint of a run, or a version of one of its artifacts."""

    run: Id
    run_number: Count
    run_name: str
    checkpoint: Id | None = None
    step: Step | None = None
    artifact: Id | None = None
    path: str | None = None
    version: Count | None = None


class Alias(Answer):
    project: str
    name: str
    target: AliasTarget
    value: float | None = Field(default=None, description="the value of the checkpoint")
    user: str
    at: Moment


def checkpoint_of(alias: Alias) -> tuple[str, str]:
    """Return run and checkpoint of an alias; raises InvalidInput for one of an artifact."""
    target = alias.target
    if target.checkpoint is None:
        hint = f"`keepbest artifacts get {target.run} {target.path} --version {target.version}` fetches it."
        raise InvalidInput(f"{alias.project}@{alias.name} is the file {target.path}.", field="run", hint=hint)
    return target.run, target.checkpoint


class AliasList(Answer):
    aliases: list[Alias]


class AliasMove(Answer):
    """Who gave an alias to what, and what had it before; `after` is null where it was removed."""

    name: str
    before: AliasTarget | None = None
    after: AliasTarget | None = None
    user: str
    at: Moment


class AliasMovePage(Page):
    """The history of a project's aliases, the newest move first."""

    moves: list[AliasMove]
