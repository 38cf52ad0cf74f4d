"""Trials: checks a sweep's request before any run exists, and makes a run's request of one choice of parameters."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import Connection

from keepbest.contract.runs import CodeSource, CommandSource, ExternalSource, RunRequest, RunSpec
from keepbest.contract.sweeps import (
    DEFAULT_RUNS,
    MAX_RUNS,
    Choices,
    Dimension,
    IntRange,
    Search,
    SweepRequest,
    count_grid,
)
from keepbest.errors import InvalidInput
from keepbest.stopping import SuccessiveHalving, build
from tracker.store import bundles, rules, run_spec, workers

#: Fields that the first spec decides for all runs, so that a later change of a project's rules makes no run differ.
_DECIDED = ("data", "monitor", "mode", "stopper", "retention", "max_steps", "validate_every")
#: Where in a range `settle` tries a third number, to see whether the parameter takes any number.
_BETWEEN = 0.3819660112501051


def settle(conn: Connection, sweep_request: SweepRequest) -> tuple[SweepRequest, RunSpec]:
    """Return the sweep with every gap filled, and the spec of a first run.

    This checks every choice and both ends of every range against the workers' recipes. Raises InvalidInput that names
    the wrong field.
    """
    _check_source(conn, sweep_request)
    runs = _settle_runs(sweep_request)
    recipes, usual = workers.list_recipes(conn), rules.find_stopper(conn, sweep_request.run.project)

    settle_run = partial(run_spec.settle, recipes=recipes, usual=usual)
    probes = {name: _probe(dimension) for name, dimension in sweep_request.space.items()}
    first = {name: values[0] for name, values in probes.items()}
    spec = _settle_one(sweep_request, first, settle_run)
    for name, values in probes.items():
        for value in values[1:]:
            _settle_one(sweep_request, {**first, name: value}, settle_run)
    _check_rungs(spec)
    if isinstance(sweep_request.run.source, CodeSource | CommandSource):
        # Last: `keepbest sweep` sends the code only after all other checks.
        bundles.check_source(conn, sweep_request.run.source)
    decided = (
        {} if isinstance(sweep_request.run.source, CommandSource) else {text: getattr(spec, text) for text in _DECIDED}
    )
    run = sweep_request.run.model_copy(update=decided)
    return sweep_request.model_copy(update={"run": run, "runs": runs}), spec


def make_request(request: SweepRequest, parameters: Mapping[str, Any], number: int | None = None) -> RunRequest:
    """Return the request for the run with these parameters."""
    run = request.run
    fields: dict[str, Any] = {name: getattr(run, name) for name in type(run).model_fields}
    if run.name is not None and number is not None:
        fields["name"] = f"{run.name[:90]}-{number}"
    if isinstance(run.source, CommandSource):
        argv = [_fill_in(word, parameters) for word in run.source.argv]
        fields["source"] = run.source.model_copy(update={"argv": argv})
    else:
        fields["parameters"] = {**run.parameters, **parameters}
    return RunRequest(**fields)


def describe_source(request: SweepRequest) -> str:
    """Return the recipe's name, the file and function, or the command."""
    source = request.run.source
    if isinstance(source, CommandSource):
        return shlex.join(source.argv)[:200]
    return source.entry if isinstance(source, CodeSource) else getattr(source, "name", source.kind)


def _check_source(conn: Connection, request: SweepRequest) -> None:
    source = request.run.source
    if isinstance(source, ExternalSource):
        raise InvalidInput("Workers train the runs of a sweep; a script trains its own.", field="run.source")
    for name in request.space:
        if name in request.run.parameters:
            raise InvalidInput(f"{name} is both set and tried.", field=f"space.{name}", hint="Leave one of them out.")
        if isinstance(source, CommandSource) and not any(f"{{{name}}}" in word for word in source.argv):
            hint = f"-- python train.py --{name} {{{name}}}"
            raise InvalidInput(f"The command does not contain {{{name}}}.", field=f"space.{name}", hint=hint)


def _check_rungs(spec: RunSpec) -> None:
    """Raise InvalidInput for a stopper with rungs at which the runs cannot pause."""
    policies = build(spec.stopper.model_dump(), "max").pausing
    pausing = [policy for policy in policies if isinstance(policy, SuccessiveHalving)]
    if not pausing:
        return
    if len(pausing) > 1:
        message = f"The stopper names {pausing[0].name} twice."
        raise InvalidInput(message, field="run.stopper", hint="Leave one of them out.")
    if isinstance(spec.source, CommandSource):
        hint = f"Sweep a recipe or a function of a file, or leave {pausing[0].name} out."
        raise InvalidInput("A command does not pause at rungs.", field="run.stopper", hint=hint)
    if spec.max_steps is not None and pausing[0].min_steps >= spec.max_steps:
        message = f"The first rung, at step {pausing[0].min_steps:,}, is not before the last step, {spec.max_steps:,}."
        raise InvalidInput(message, field="run.stopper", hint="Name a smaller min_steps.")


def _settle_runs(request: SweepRequest) -> int:
    if request.search is not Search.GRID:
        return request.runs or DEFAULT_RUNS
    for name, dimension in request.space.items():
        if not isinstance(dimension, Choices | IntRange):
            hint = f"Name its values, {name}=0.1,0.01, or search by random or tpe."
            message = f"{name} has infinitely many values, so that no grid can try them all."
            raise InvalidInput(message, field=f"space.{name}", hint=hint)
    size = count_grid(request.space) or 1
    if request.runs is None and size > MAX_RUNS:
        hint = f"Leave values out, or name the number of runs: {MAX_RUNS:,} at most."
        raise InvalidInput(f"The grid has {size:,} combinations.", field="space", hint=hint)
    return min(request.runs or size, size)


def _probe(dimension: Dimension) -> list[Any]:
    if isinstance(dimension, Choices):
        return list(dimension.values)
    if isinstance(dimension, IntRange):
        return [dimension.low, dimension.high]
    between = dimension.low + _BETWEEN * (dimension.high - dimension.low)
    return [dimension.low, between, dimension.high]


def _settle_one(
    request: SweepRequest, parameters: Mapping[str, Any], settle_run: Callable[[RunRequest], RunSpec]
) -> RunSpec:
    try:
        return settle_run(make_request(request, parameters))
    except InvalidInput as error:
        kind, _, name = (error.field or "").partition(".")
        swept = kind == "parameters" and name in request.space
        field = f"space.{name}" if swept else f"run.{error.field}" if error.field else "run"
        raise InvalidInput(error.message, field=field, hint=error.hint) from None


def _fill_in(word: str, parameters: Mapping[str, Any]) -> str:
    """Replace each `{name}` by its value, in one pass, so that braces within a value stay."""
    texts = {
        f"{{{name}}}": value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()
    }
    return re.sub("|".join(re.escape(place) for place in texts), lambda match: texts[match.group()], word)
