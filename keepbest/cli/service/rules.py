"""`project rules`: shows and changes a project's rules; a replay's recommendation becomes the default stopper."""

from __future__ import annotations

from enum import StrEnum
from shlex import quote
from typing import Annotated, Any, Literal

import typer

from keepbest.cli.common.formatting import clean, say_rules
from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import print_json, say
from keepbest.client.client import Client
from keepbest.contract.policies import PolicySpec
from keepbest.contract.replays import Replay
from keepbest.contract.rules import ProjectRules, RulesRequest
from keepbest.contract.validate import request
from keepbest.errors import Conflict, InvalidInput
from keepbest.stopping import parse as parse_stopper
from keepbest.stopping import render


class Rule(StrEnum):
    """A rule, by the name of its option."""

    STOP = "stop"
    MEDIAN = "median"
    MAX_STEPS = "max-steps"
    MAX_SECONDS = "max-seconds"

    @property
    def field(self) -> str:
        """The rule's field in a request."""
        return "stopper" if self is Rule.STOP else self.value.replace("-", "_")


def project_rules(
    name: Annotated[str, typer.Argument(help="Name.")],
    median: Annotated[Literal["vizier", "optuna"] | None, typer.Option(help="Stop runs worse than the median.")] = None,
    startup_runs: Annotated[int | None, typer.Option(min=1, help="Finished runs before the median acts.")] = None,
    start_from: Annotated[
        int | None, typer.Option(min=0, help="The median judges no validation before this step.")
    ] = None,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Stop every run at this step.")] = None,
    max_seconds: Annotated[float | None, typer.Option(min=0, help="Stop every run after this time.")] = None,
    stop: Annotated[str | None, typer.Option(help="Stopper of runs submitted without one.")] = None,
    remove: Annotated[list[Rule] | None, typer.Option(help="Remove this rule; repeatable.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="First remove all rules.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a project's rules, or change the named ones. Rules hold for every run that reports."""
    fields = {"form": median, "startup_runs": startup_runs, "start_from": start_from}
    given = {"median": drop_none(fields) or None, "max_steps": max_steps, "max_seconds": max_seconds}
    given = drop_none(given | {"stopper": None if stop is None else parse_stopper(stop)})
    gone = [rule.field for rule in remove or []]
    _check_apart(given, remove or [])
    with Client() as client:
        if clear or gone or given:
            rules = client.change_rules(name, lambda old: change_rules(RulesRequest() if clear else old, given, gone))
        else:
            rules = client.rules(name)
    print_json(rules) if as_json else say(say_rules(rules))


def drop_none(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def change_rules(rules: RulesRequest, given: dict[str, Any], gone: list[str]) -> RulesRequest:
    """Return the rules with the given fields, and without those in `gone`. The median changes field by field."""
    before = rules.model_dump(include=set(RulesRequest.model_fields)) | dict.fromkeys(gone)
    if "median" in given:
        if before["median"] is None and "form" not in given["median"]:
            hint = "Say which median: --median vizier or --median optuna."
            raise InvalidInput("There is no median rule to change.", field="median", hint=hint)
        given = {**given, "median": {**(before["median"] or {}), **given["median"]}}
    return request(RulesRequest, **{**before, **given})


def _check_apart(given: dict[str, Any], remove: list[Rule]) -> None:
    both = next((rule for rule in remove if rule.field in given), None)
    if both is not None:
        raise InvalidInput(f"--remove {both} and a new one exclude each other.", field="remove")


def apply_recommended(client: Client, replayed: Replay, *, yes: bool) -> str:
    """Make the recommended policy the default stopper of its project, and return a sentence that says so.

    Unless `yes`, ask before another default is replaced. Raises Conflict if the replay recommends nothing, or if its
    runs belong to several projects.
    """
    policy, project = _recommended(replayed), _one_project(replayed)

    def change(rules: ProjectRules) -> RulesRequest:
        if rules.stopper is not None and rules.stopper != policy and not yes:
            question = f"The default of {clean(project)} is {_write(rules.stopper)}. Replace it by {_write(policy)}?"
            typer.confirm(question, abort=True, err=True)
        return change_rules(rules, {"stopper": policy.model_dump()}, [])

    client.change_rules(project, change)
    return f"Runs that are submitted to {project} without a stopper stop by {_write(policy)} from now on."


def _write(policy: PolicySpec) -> str:
    return clean(render(policy.model_dump()))


def _recommended(replayed: Replay) -> PolicySpec:
    if replayed.recommended is None:
        hint = "Name more policies with --stop, or tolerate a loss: --tolerate 0.001."
        raise Conflict("The replay recommends no policy, so the rules stay as they are.", field="apply", hint=hint)
    return replayed.policies[replayed.recommended].policy


def _one_project(replayed: Replay) -> str:
    projects = sorted({run.project for run in replayed.runs})
    if len(projects) > 1:
        hint = f"Apply it to one project: keepbest replay --project {quote(projects[0])} --apply"
        raise Conflict(f"The runs belong to several projects: {', '.join(projects)}.", field="apply", hint=hint)
    return projects[0]
