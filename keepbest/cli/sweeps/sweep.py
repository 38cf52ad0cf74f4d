"""`sweep`: trains one run after another with different parameters; `sweep show`, `watch`, `cancel`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from keepbest.cli.common import options
from keepbest.cli.common.formatting import counted
from keepbest.cli.common.output import print_json, say, warn
from keepbest.cli.common.yaml_file import COMMAND, File
from keepbest.cli.runs.after_dashes import AfterDashes
from keepbest.cli.runs.run_fields import check_examples, read_fields, warn_of_rates
from keepbest.cli.runs.signature import parse_settings
from keepbest.cli.runs.sources import SubmittedSource, check_source, open_command, open_source, send_with
from keepbest.cli.sweeps.listing import show_sweep
from keepbest.cli.sweeps.space import list_ends, parse_space
from keepbest.cli.sweeps.watch import watch_sweep
from keepbest.client.client import Client
from keepbest.contract.runs import RunFields
from keepbest.contract.sweeps import MAX_RUNS, Search, Sweep, SweepRequest
from keepbest.contract.validate import request
from keepbest.errors import InvalidInput

_LIKE = 'keepbest sweep hvass-cnn --tpe "learning_rate=log(1e-4, 1e-1)" --runs 20'
START = "start"

Tried = Annotated[
    list[str] | None,
    typer.Option("--space", metavar="NAME=…", help="A parameter and the values to try; repeatable."),
]
How = Annotated[Search | None, typer.Option(help="How to choose the next parameters; tpe by default.")]
Grid = Annotated[
    list[str] | None, typer.Option("--grid", metavar="NAME=A,B", help="--space, with every combination once.")
]
Random = Annotated[list[str] | None, typer.Option("--random", metavar="NAME=…", help="--space, with random values.")]
Tpe = Annotated[
    list[str] | None,
    typer.Option("--tpe", metavar="NAME=…", help="--space, near good values: log(1e-4, 1e-1), int(8, 64), 0.1,0.3"),
]
Many = Annotated[int | None, typer.Option("--runs", min=1, max=MAX_RUNS, help="How many; 20, or the whole grid.")]
AtOnce = Annotated[int, typer.Option(min=1, max=1000, help="Runs queued or training at the same time.")]
SweepId = Annotated[str, typer.Argument(metavar="SWEEP", help="Id of a sweep, or its first letters (4 or more).")]


class StartsFirst(TyperGroup):
    """A group with a default verb: `sweep RECIPE` is `sweep start RECIPE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        has_verb = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if has_verb or not args else [START, *args])


app = typer.Typer(
    cls=StartsFirst, add_completion=False, no_args_is_help=True, help="Try parameters: grid, random or TPE."
)


@app.command(START, cls=AfterDashes)
def start(
    ctx: typer.Context,
    what: options.What = None,
    space: Tried = None,
    search: How = None,
    grid: Grid = None,
    random: Random = None,
    tpe: Tpe = None,
    runs: Many = None,
    at_once: AtOnce = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 0,
    run_seed: Annotated[int, typer.Option(min=0, help="Seed of every run.")] = 0,
    set: options.Set = None,
    data: options.Data = None,
    monitor: options.Monitor = None,
    mode: options.GetsBetter = None,
    patience: options.Patience = None,
    stop: options.Stop = None,
    shadow: options.InShadow = None,
    keep: options.Keep = None,
    select: options.Select = None,
    epochs: options.Epochs = None,
    max_steps: options.MaxSteps = None,
    validate_every: options.ValidateEvery = None,
    project: options.ToProject = None,
    name: Annotated[str | None, typer.Option(help="Name of the sweep; its runs get a number behind it.")] = None,
    label: options.Label = None,
    tag: Annotated[list[str] | None, typer.Option(help="Word to find the runs by; repeatable.")] = None,
    priority: options.Priority = 0,
    keep_examples: options.KeepExamples = 0,
    stall: options.Stall = True,
    strict: options.Strict = False,
    folder: options.SentFolder = None,
    file: File = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Say how each run ends, to the last.")] = False,
    as_json: options.AsJson = False,
) -> int:
    """Begin a sweep: a recipe, a function or a command, trained with one choice of parameters after another."""
    argv = ctx.meta[COMMAND]
    how = choose_search(search, grid or [], random or [], tpe or [])
    tried = [*(space or []), *(grid or []), *(random or []), *(tpe or [])]
    check_examples(argv, keep_examples)
    if not tried:
        raise InvalidInput("Say which parameters to try.", field="space", hint=_LIKE)
    check_source(what, argv, _LIKE)
    fields = read_fields(
        data=data, monitor=monitor, mode=mode, patience=patience, stop=stop, shadow=shadow, keep=keep, select=select,
        epochs=epochs, max_steps=max_steps, validate_every=validate_every, seed=run_seed, keep_examples=keep_examples,
        project=project, name=name, label=label, tag=tag, priority=priority, stall=stall, strict=strict,
    )  # fmt: skip
    with Client() as client:
        source = _open(client, what, argv, folder)
        chosen = parse_space(tried, source.signature, source.name)
        parameters = _parse_set(set or [], source, list(chosen))
        warn_of_rates([*parameters.items(), *list_ends(chosen)])
        spec = source.spec_for([*parameters, *chosen])
        run = request(RunFields, source=spec, parameters=parameters, **fields)
        sweep_request = request(SweepRequest, run=run, space=chosen, search=how, seed=seed, runs=runs, at_once=at_once)
        made = send_with(client, source, lambda: client.begin_sweep(sweep_request))
        if not watch:
            _say_begun(made, as_json)
            return 0
        warn(f"Began sweep {made.id} ({made.name}): {counted(made.runs, 'run')}.")
        return watch_sweep(client, made.id, as_json)


@app.command("show")
def show(sweep: SweepId, as_json: options.AsJson = False) -> None:
    """Show a sweep: every run with its parameters, the best, and which parameter mattered."""
    with Client() as client:
        known, importance = client.sweep(sweep), client.importance(sweep)
    if as_json:
        print_json({**known.model_dump(mode="json"), "importance": importance.model_dump(mode="json")})
    else:
        show_sweep(known, importance)


@app.command("watch")
def watch_one(sweep: SweepId, as_json: options.AsJson = False) -> int:
    """Say how each run of a sweep ends, to the last. Ctrl-C ends the watching, not the sweep."""
    with Client() as client:
        return watch_sweep(client, client.sweep(sweep).sweep.id, as_json)


@app.command("cancel")
def cancel(sweep: SweepId, as_json: options.AsJson = False) -> None:
    """End a sweep, and every run of it that has not ended."""
    with Client() as client:
        ended = client.cancel_sweep(sweep)
    print_json(ended) if as_json else say(f"Sweep {ended.id} ({ended.name}) is {ended.state.value}.")


def choose_search(search: Search | None, grid: Sequence[str], random: Sequence[str], tpe: Sequence[str]) -> Search:
    """Return the search that the options name; raises InvalidInput if they name two."""
    given = {Search.GRID: grid, Search.RANDOM: random, Search.TPE: tpe}
    searches = [item for item, pairs in given.items() if pairs or item is search]
    if len(searches) > 1:
        words = " and ".join(f"--{item.value}" for item in searches)
        hint = f"Its values: --space NAME=…; one search for all: --search {searches[0].value}"
        raise InvalidInput(f"{words} exclude each other.", field="search", hint=hint)
    return searches[0] if searches else Search.TPE


def _open(client: Client, what: str | None, argv: list[str] | None, folder: Path | None) -> SubmittedSource:
    if what is not None:
        return open_source(client, what, folder)
    command = open_command(argv or [], folder)
    return replace(command, signature=replace(command.signature, takes_any=True))


def _parse_set(pairs: Sequence[str], source: SubmittedSource, tried: Sequence[str]) -> dict[str, Any]:
    """Read `--set`; raises InvalidInput for a parameter that the sweep tries."""
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
    say(f"Began sweep {made.id} ({made.name} in {made.project}): {counted(made.runs, 'run')} by {made.search.value}.")
    say(f"next: keepbest sweep watch {made.id}")
