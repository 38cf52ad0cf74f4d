"""`workers`, `recipes`: list who trains, and what they can train."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from keepbest.cli.common.formatting import age
from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import Table, print_facts, print_json, print_listing, print_table
from keepbest.cli.service.recipes import list_recipes
from keepbest.client.client import Client
from keepbest.contract.policies import PolicySpec
from keepbest.contract.workers import RecipeInfo, Worker
from keepbest.errors import NotFound
from keepbest.stopping import render
from keepbest.stopping.registry import build, declared_params, get_kind


def workers(as_json: AsJson = False) -> None:
    """List workers and what they do."""
    with Client() as client:
        listing = client.workers()
    heads = ("name", "state", "busy", "host", ">heard", "labels", "takes")
    table = Table(heads, empty="No worker. Start one: keepbest worker")
    print_listing(listing, table, map(_worker_row, listing.workers), as_json=as_json)


def recipes(
    name: Annotated[str | None, typer.Argument(help="Show the parameters of this one.")] = None, as_json: AsJson = False
) -> None:
    """List the built-in models that workers offer; with a name, its parameters."""
    with Client() as client:
        listing = list_recipes(client)
    if name is not None:
        show_recipe(get_recipe(listing.recipes, name), as_json)
        return
    empty = "No worker offers a recipe. Start one: keepbest worker"
    table = Table(("name", "data", "monitor", "what it is"), empty=empty)
    rows = ((recipe.name, ", ".join(recipe.data), recipe.monitor, recipe.summary) for recipe in listing.recipes)
    print_listing(listing, table, rows, as_json=as_json)


def get_recipe(recipes: list[RecipeInfo], name: str) -> RecipeInfo:
    """Return a recipe by its name; raises NotFound."""
    recipe = next((recipe for recipe in recipes if recipe.name == name), None)
    if recipe is None:
        raise NotFound(f"There is no recipe {name!r}.", field="name", hint="`keepbest recipes` lists them.")
    return recipe


def show_recipe(recipe: RecipeInfo, as_json: bool) -> None:
    if as_json:
        print_json(recipe)
        return
    data = ", ".join(f"{text} (default)" if text == recipe.default_data else text for text in recipe.data)
    print_facts(
        f"{recipe.name}: {recipe.summary}",
        [
            ("data", data),
            ("monitor", f"{recipe.monitor}, a validation each {recipe.validate_every:,} steps"),
            ("stops", render_stopper(recipe.stopper)),
            ("max steps", f"{recipe.max_steps:,}"),
            ("metrics", ", ".join(f"{key} ({mode.value})" for key, mode in recipe.metrics.items())),
        ],
    )
    table = Table(("parameter", "type", "default", "meaning"), empty="It has no parameters.")
    for parameter in recipe.parameters:
        default = "(required)" if parameter.required else parameter.default
        table.add(parameter.name, parameter.type, default, parameter.help)
    print_table(table)


def render_stopper(stopper: PolicySpec) -> str:
    """Return a stopper as `--stop` takes it, without parameters that have their defaults."""
    return render(_without_defaults(stopper.model_dump()))


def _worker_row(worker: Worker) -> tuple[object, ...]:
    busy, heard = f"{worker.busy} of {worker.slots}", age(worker.heard_at, datetime.now(UTC))
    labels = ", ".join(f"{key}={value}" for key, value in worker.labels.items())
    takes = "recipes only" if worker.recipes_only else "recipes and code"
    return worker.name, worker.state, busy, worker.host, heard, labels, takes


def _without_defaults(spec: dict[str, Any]) -> dict[str, Any]:
    known = {param.name: param.default for param in declared_params(get_kind(spec["name"]))}
    fields = {name: value for name, value in spec["params"].items() if value != known.get(name)}
    fields = {
        name: value
        for name, value in fields.items()
        if not (isinstance(value, bool) and _is_implied(spec["name"], fields, name))
    }
    return {**spec, "params": fields, "policies": [_without_defaults(part) for part in spec["policies"]]}


def _is_implied(policy: str, fields: dict[str, Any], switch: str) -> bool:
    """Whether the other parameters give a switch the same value."""
    others = {name: value for name, value in fields.items() if name != switch}
    return build({"name": policy, "params": others}, "max") == build({"name": policy, "params": fields}, "max")
