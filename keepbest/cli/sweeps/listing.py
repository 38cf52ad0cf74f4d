"""`sweeps`, and tables of a sweep: each run with its parameters, the rungs, and the importance of parameters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from keepbest.cli.common.formatting import age, at_step, clean, number, whole
from keepbest.cli.common.options import AsJson, ProjectName
from keepbest.cli.common.output import Table, print_facts, print_listing, print_table, say, warn
from keepbest.cli.sweeps.space import show_dimension
from keepbest.client.client import Client
from keepbest.contract.sweeps import Sweep, SweepImportance, SweepRun, SweepRuns, SweepState
from keepbest.figures import duration, figure
from keepbest.stopping import render

#: Characters of a bar that stands for 100 %.
_BAR = 20


def sweeps(
    project: ProjectName = None,
    state: Annotated[SweepState | None, typer.Option("--state", "-s", help="Only sweeps in this state.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="At most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List sweeps, the newest first."""
    with Client() as client:
        page = client.sweeps(project=project, state=state and state.value, limit=limit)
    heads = ("id", "project", "name", "state", "search", ">runs", ">failed", "best", "with", ">age")
    empty = 'No sweeps yet. Begin one: keepbest sweep hvass-cnn --tpe "learning_rate=log(1e-4, 1e-1)" --runs 20'
    print_listing(page, Table(heads, empty=empty), map(_row, page.sweeps), as_json=as_json)
    if page.cursor and not as_json:
        warn(f"These are {len(page.sweeps)} of {page.total:,}; more with --limit, or --project and --state.")


def show_sweep(known: SweepRuns, importance: SweepImportance) -> None:
    """Print a sweep: facts, runs, rungs, importance of parameters, and the next command."""
    sweep = known.sweep
    print_facts(f"{sweep.name}  sweep {sweep.id} in {sweep.project}", list(_facts(sweep)))
    if known.runs:
        say()
        print_table(list_runs(known))
    if known.rungs:
        say()
        print_table(list_rungs(known))
    say()
    if importance.parameters:
        say(f"What made the difference, by {importance.runs} finished runs:")
        print_table(list_importance(importance))
    elif importance.message:
        say(importance.message)
    if sweep.best is not None:
        which = " --best" if sweep.best.selected_value is None else ""
        say(f"next: keepbest restore {sweep.best.run}{which} --to best-model")


def list_runs(known: SweepRuns) -> Table:
    """Return a table with a row for each run, in the order in which the sweep made them."""
    names = list(known.sweep.space)
    rung = [">rung"] if known.sweep.halving is not None else []
    selected = [">selected @ step"] if any(run.is_other for run in known.runs) else []
    heads = (">#", "run", "state", *rung, *(f">{clean(name)}" for name in names), ">best @ step", *selected, "")
    table = Table(heads)
    for run in known.runs:
        is_best = known.sweep.best is not None and known.sweep.best.run == run.run
        values = [write_value(run.parameters.get(name)) for name in names]
        values = [str(top_rung(run) or "-"), *values] if rung else values
        result = [at_step(run.best_value, run.best_step)]
        result += [at_step(run.selected_value, run.selected_step)] if selected else []
        table.add(run.number, run.run, run.state.value, *values, *result, "best" if is_best else "")
    return table


def say_best(sweep: Sweep) -> str:
    """Return `0.98 @ 300 by RUN, selected by greedy_soup(k=3); its best validation 0.97 @ 300`, or an empty text."""
    best = sweep.best
    if best is None:
        return ""
    words = f"{at_step(best.value, best.value_step)} by {best.run}"
    if best.selected_value is None or sweep.selector is None:
        return words
    words += f", selected by {render(sweep.selector.model_dump())}"
    return f"{words}; its best validation {at_step(best.best_value, best.best_step)}" if best.is_other else words


def list_rungs(known: SweepRuns) -> Table:
    """Return a table with a row for each rung: how many runs reached it, wait there, and went on."""
    table = Table((">rung", ">step", ">runs", ">waiting", ">promoted", ">best"))
    for sweep_rung in known.rungs:
        counts = (whole(count) for count in (sweep_rung.step, sweep_rung.runs, sweep_rung.waiting, sweep_rung.promoted))
        table.add(sweep_rung.rung, *counts, number(sweep_rung.best_value))
    return table


def top_rung(run: SweepRun) -> int:
    """Return the highest rung at which a run paused; 0 if it has not paused yet."""
    return max((mark.rung for mark in run.rungs), default=0)


def list_importance(importance: SweepImportance) -> Table:
    """Return a table with a row for each parameter and a bar for its share."""
    table = Table(("parameter", ">share", ""))
    for parameter in importance.parameters:
        if parameter.share is None:
            table.add(parameter.name, "-", "changed too rarely to tell")
        else:
            table.add(parameter.name, f"{100 * parameter.share:.0f} %", "#" * round(_BAR * parameter.share))
    return table


def write_value(value: Any) -> str:
    """Return a parameter's value in a few digits, a text without its quotes."""
    if isinstance(value, float):
        return figure(value, 4)
    return value if isinstance(value, str) else json.dumps(value)


def _facts(sweep: Sweep) -> Iterator[tuple[str, str]]:
    yield "state", sweep.state.value + (f": {sweep.message}" if sweep.message else "")
    yield "trains", sweep.source
    for name, dimension in sweep.space.items():
        yield clean(name), show_dimension(dimension)
    if sweep.halving is not None:
        factor, first = sweep.halving.factor, sweep.halving.min_steps
        yield "rungs", f"at step {first:,} and each time {factor} times further; one of {factor} goes on"
    if sweep.selector is not None:
        yield "selects", render(sweep.selector.model_dump())
    yield "search", f"{sweep.search.value}, seed {sweep.seed}, {sweep.at_once} at once"
    yield "runs", count_runs(sweep)
    yield "took", duration(((sweep.ended_at or datetime.now(UTC)) - sweep.created_at).total_seconds())
    if sweep.best is not None:
        yield f"best {sweep.monitor}", say_best(sweep)


def count_runs(sweep: Sweep) -> str:
    counts = sweep.counts.model_dump(exclude={"made"})
    return ", ".join(
        [f"{sweep.counts.made} of {sweep.runs} made", *(f"{count} {what}" for what, count in counts.items() if count)]
    )


def _row(sweep: Sweep) -> tuple[object, ...]:
    best = sweep.best
    chosen = "  ".join(f"{name}={write_value(value)}" for name, value in best.parameters.items()) if best else ""
    return (
        sweep.id,
        sweep.project,
        sweep.name,
        sweep.state.value,
        sweep.search.value,
        f"{sweep.counts.made} of {sweep.runs}",
        sweep.counts.failed,
        number(best.value) if best else "-",
        chosen,
        age(sweep.created_at, datetime.now(UTC)),
    )
