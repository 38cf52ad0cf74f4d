"""`sweep`: from a line on the terminal to runs that differ in some parameters; `sweep show`, `watch`, `cancel`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from keepbest.cli.common.options import (
    AsJson,
    Data,
    Epochs,
    GetsBetter,
    InShadow,
    Keep,
    KeepExamples,
    Label,
    MaxSteps,
    Monitor,
    Patience,
    Priority,
    Select,
    SentFolder,
    Set,
    Stall,
    Stop,
    Strict,
    ToProject,
    ValidateEvery,
    What,
)
from keepbest.cli.common.output import print_json, say, warn
from keepbest.cli.common.yaml_file import COMMAND, File
from keepbest.cli.runs.signature import parse_settings
from keepbest.cli.runs.sources import SubmittedSource, open_command, open_source, send_with
from keepbest.cli.runs.submit import (
    AfterDashes,
    check_examples,
    choose_stopper,
    parse_keep,
    parse_labels,
    parse_pace,
    parse_select,
    warn_of_rates,
)
from keepbest.cli.sweeps.listing import show_sweep
from keepbest.cli.sweeps.space import list_ends, parse_space
from keepbest.cli.sweeps.watch import watch_sweep
from keepbest.client.client import Client
from keepbest.contract.runs import RunFields
from keepbest.contract.sweeps import MAX_RUNS, Search, Sweep, SweepRequest
from keepbest.contract.validate import request
from keepbest.errors import InvalidInput
from keepbest.settings import load

_LIKE = 'keepbest sweep hvass-cnn --tpe "learning_rate=log(1e-4, 1e-1)" --runs 20'
START = "start"

Tried = Annotated[
    list[str] | None,
    typer.Option("--space", metavar="NAME=…", help="A parameter and what to try for it; repeatable."),
]
How = Annotated[Search | None, typer.Option(help="How the next parameters are chosen; tpe unless said.")]
Grid = Annotated[
    list[str] | None, typer.Option("--grid", metavar="NAME=A,B", help="--space, and every combination once.")
]
Random = Annotated[list[str] | None, typer.Option("--random", metavar="NAME=…", help="--space, each run by chance.")]
Tpe = Annotated[
    list[str] | None,
    typer.Option("--tpe", metavar="NAME=…", help="--space, near what was good: log(1e-4, 1e-1), int(8, 64), 0.1,0.3"),
]
Many = Annotated[int | None, typer.Option("--runs", min=1, max=MAX_RUNS, help="How many; 20, or the whole grid.")]
AtOnce = Annotated[int, typer.Option(min=1, max=1000, help="Runs queued or training at the same time.")]
SweepId = Annotated[str, typer.Argument(metavar="SWEEP", help="Id of a sweep, or its first letters (4 or more).")]


class StartsFirst(TyperGroup):
    """A group whose first verb need not be said: `sweep RECIPE` is `sweep start RECIPE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        says_verb = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if says_verb or not args else [START, *args])


app = typer.Typer(
    cls=StartsFirst, add_completion=False, no_args_is_help=True, help="Try parameters: grid, random or TPE."
)


@app.command(START, cls=AfterDashes)
def start(
    ctx: typer.Context,
    what: What = None,
    space: Tried = None,
    search: How = None,
    grid: Grid = None,
    random: Random = None,
    tpe: Tpe = None,
    runs: Many = None,
    at_once: AtOnce = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 0,
    run_seed: Annotated[int, typer.Option(min=0, help="Seed of every run.")] = 0,
    set: Set = None,
    data: Data = None,
    monitor: Monitor = None,
    mode: GetsBetter = None,
    patience: Patience = None,
    stop: Stop = None,
    shadow: InShadow = None,
    keep: Keep = None,
    select: Select = None,
    epochs: Epochs = None,
    max_steps: MaxSteps = None,
    validate_every: ValidateEvery = None,
    project: ToProject = None,
    name: Annotated[str | None, typer.Option(help="Name of the sweep; its runs get a number behind it.")] = None,
    label: Label = None,
    tag: Annotated[list[str] | None, typer.Option(help="Word to find the runs by; repeatable.")] = None,
    priority: Priority = 0,
    keep_examples: KeepExamples = 0,
    stall: Stall = True,
    strict: Strict = False,
    folder: SentFolder = None,
    file: File = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Say how each run ended, to the last.")] = False,
    as_json: AsJson = False,
) -> int:
    """Begin a sweep: a recipe, a function or a command, trained with one choice of parameters after another."""
    how = choose_search(search, grid or [], random or [], tpe or [])
    tried = [*(space or []), *(grid or []), *(random or []), *(tpe or [])]
    check_examples(ctx.meta[COMMAND], keep_examples)
    if not tried:
        raise InvalidInput("Say which parameters to try.", field="space", hint=_LIKE)
    shared: dict[str, Any] = {"data": data, "monitor": monitor, "mode": mode, "name": name, "max_steps": max_steps}
    shared |= {**parse_pace(validate_every), "epochs": epochs}
    shared |= {"seed": run_seed, "tags": tag or [], "priority": priority}
    shared |= {"keep_examples": keep_examples, "stall": stall, "strict": strict}
    shared |= {"stopper": choose_stopper(patience, stop, shadow or []), "labels": parse_labels(label or [])}
    shared |= {"retention": parse_keep(keep) if keep is not None else None, "project": project or load().project}
    shared |= {"selector": parse_select(select) if select is not None else None}
    with Client() as client:
        source = _open(client, what, ctx.meta[COMMAND], folder)
        chosen = parse_space(tried, source.signature, source.name)
        parameters = _parse_set(set or [], source, list(chosen))
        warn_of_rates([*parameters.items(), *list_ends(chosen)])
        spec = source.spec_for([*parameters, *chosen])
        run = request(RunFields, source=spec, parameters=parameters, **shared)
        sweep_request = request(SweepRequest, run=run, space=chosen, search=how, seed=seed, runs=runs, at_once=at_once)
        made = send_with(client, source, lambda: client.begin_sweep(sweep_request))
        if not watch:
            _say_begun(made, as_json)
            return 0
        warn(f"Began sweep {made.id} ({made.name}): {made.runs} runs.")
        return watch_sweep(client, made.id, as_json)


@app.command("show")
def show(sweep: SweepId, as_json: AsJson = False) -> None:
    """Show a sweep: every run with its parameters, the best, and which parameter mattered."""
    with Client() as client:
        known, weight = client.sweep(sweep), client.importance(sweep)
    if as_json:
        print_json({**known.model_dump(mode="json"), "importance": weight.model_dump(mode="json")})
    else:
        show_sweep(known, weight)


@app.command("watch")
def watch_one(sweep: SweepId, as_json: AsJson = False) -> int:
    """Say how each run of a sweep ended, to the last. Ctrl-C ends the watching, not the sweep."""
    with Client() as client:
        return watch_sweep(client, client.sweep(sweep).sweep.id, as_json)


@app.command("cancel")
def cancel(sweep: SweepId, as_json: AsJson = False) -> None:
    """End a sweep, and every run of it that has not ended."""
    with Client() as client:
        ended = client.cancel_sweep(sweep)
    print_json(ended) if as_json else say(f"Sweep {ended.id} ({ended.name}) is {ended.state.value}.")


def choose_search(search: Search | None, grid: Sequence[str], random: Sequence[str], tpe: Sequence[str]) -> Search:
    """Return the one search that is meant; raises InvalidInput for two."""
    given = {Search.GRID: grid, Search.RANDOM: random, Search.TPE: tpe}
    searches = [item for item, pairs in given.items() if pairs or item is search]
    if len(searches) > 1:
        words = " and ".join(f"--{item.value}" for item in searches)
        hint = f"Its values: --space NAME=…; one search for all: --search {searches[0].value}"
        raise InvalidInput(f"{words} exclude each other.", field="search", hint=hint)
    return searches[0] if searches else Search.TPE


def _open(client: Client, what: str | None, argv: list[str] | None, folder: Path | None) -> SubmittedSource:
    if what is not None and argv is not None:
        raise InvalidInput(f"Both {what!r} and a command after -- are given.", field="source", hint=_LIKE)
    if what is not None:
        return open_source(client, what, folder)
    if not argv:
        raise InvalidInput("Say what to train.", field="source", hint=_LIKE)
    submitted_source = open_command(argv, folder)
    return replace(submitted_source, signature=replace(submitted_source.signature, takes_any=True))


def _parse_set(pairs: Sequence[str], source: SubmittedSource, tried: Sequence[str]) -> dict[str, Any]:
    """Read `--set` of the parameters that are not tried."""
    both = [pair for pair in pairs if pair.partition("=")[0].strip() in tried]
    if both:
        name = both[0].partition("=")[0].strip()
        raise InvalidInput(f"{name} is both set and tried.", field=name, hint="Leave one of them out.")
    rest = tuple(parameter for parameter in source.signature.parameters if parameter.name not in tried)
    return parse_settings(pairs, replace(source.signature, parameters=rest), source.name)


def _say_begun(made: Sweep, as_json: bool) -> None:
    if as_json:
        print_json(made)
        return
    say(f"Began sweep {made.id} ({made.name} in {made.project}): {made.runs} runs by {made.search.value}.")
    say(f"next: keepbest sweep watch {made.id}")
