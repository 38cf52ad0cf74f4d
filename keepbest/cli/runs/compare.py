"""`compare`: runs side by side, what differs first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from keepbest.cli.common.formatting import at_step, number, whole
from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import Table, print_json, print_table, say
from keepbest.cli.runs.facts import source_of, took
from keepbest.client.client import Client
from keepbest.contract.base import ID_LENGTH
from keepbest.contract.comparisons import MAX_COMPARED, RunComparison
from keepbest.contract.runs import Run
from keepbest.errors import InvalidInput, NotFound
from keepbest.figures import figure
from keepbest.reports.differences import ComparedRow, compare_fields, compare_metrics
from keepbest.stopping import render

#: Of the distance to the first run.
DIGITS = 3
Runs = Annotated[
    list[str], typer.Argument(metavar="RUN RUN...", help="Ids of 2 to 20 runs; the others are held against the first.")
]
All = Annotated[bool, typer.Option("--all", help="Also what is the same in all runs.")]


def compare(runs: Runs, show_all: All = False, as_json: AsJson = False) -> None:
    """Compare runs: what ended each, parameters, metrics best and last, and environment, differences first."""
    references = list(dict.fromkeys(runs))
    if not 2 <= len(references) <= MAX_COMPARED:
        raise InvalidInput(f"compare takes 2 to {MAX_COMPARED} runs, but got {len(references)}.", field="run")
    with Client() as client:
        comparison = _read(client, references)
    sides = comparison.runs
    best, last = compare_metrics(comparison.metrics)
    parameters = compare_fields([_given(run) for run in sides])
    environment = compare_fields([run.environment or {} for run in sides])
    if as_json:
        parts = {"parameters": parameters, "best": best, "last": last, "environment": environment}
        shown = {name: {row.name: list(row.values) for row in rows} for name, rows in parts.items()}
        print_json({"runs": [run.model_dump(mode="json") for run in sides], **shown})
        return
    _print_ends(sides)
    names = [f"{run.name} #{run.number}" for run in sides]
    _print_rows("parameters", names, parameters, show_all)
    _print_values("best", names, best)
    _print_values("last", names, last)
    _print_rows("environment", names, environment, show_all)


def _read(client: Client, references: Sequence[str]) -> RunComparison:
    """Return the tracker's comparison; raises NotFound where there is no such run."""
    ids = [item if len(item) == ID_LENGTH else client.run(item).id for item in references]
    comparison = client.compare(*ids)
    if comparison.missing:
        missing = ", ".join(comparison.missing)
        raise NotFound(f"There is no run {missing}.", field="run", hint="`keepbest ls` lists the runs.")
    return comparison


def _given(run: Run) -> dict[str, Any]:
    """Return what a run was given: its parameters, and what else makes it train in another way."""
    spec = run.spec
    stopper = render(spec.stopper.model_dump()) if spec.stopper is not None else None
    more = {
        "source": source_of(spec),
        "data": spec.data,
        "seed": spec.seed,
        "monitor": spec.monitor,
        "stopper": stopper,
    }
    return {**spec.parameters, **{f"({name})": value for name, value in more.items() if value is not None}}


def _print_ends(runs: Sequence[Run]) -> None:
    table = Table(("id", ">#", "name", "state", "stopped by", "best @ step", ">step", "took"))
    for run in runs:
        why = run.stop_message or (run.stop_reason.value if run.stop_reason else "-")
        best = at_step(run.best_value, run.best_step)
        table.add(run.id, run.number, run.name, run.state.value, why, best, whole(run.step), took(run))
    print_table(table)


def _print_rows(title: str, names: Sequence[str], rows: Sequence[ComparedRow], show_all: bool) -> None:
    """Print what differs; of the rest, only how much it is."""
    shown = [row for row in rows if row.differs or show_all]
    same = len(rows) - sum(row.differs for row in rows)
    if shown:
        table = Table((title, *names))
        for row in shown:
            table.add(row.name, *("-" if value is None else value for value in row.values))
        say()
        print_table(table)
    if same and not show_all:
        say(f"\n{title}: {'all ' if not shown else ''}{same} the same; --all shows them")


def _print_values(title: str, names: Sequence[str], rows: Sequence[ComparedRow]) -> None:
    """Print numbers, with the distance to the first run, and a star at the best."""
    if not rows:
        return
    table = Table((title, *(f">{name}" for name in names)))
    for row in rows:
        table.add(row.name, *(_cell(row, place) for place in range(len(names))))
    say()
    print_table(table)


def _cell(row: ComparedRow, place: int) -> str:
    delta = row.deltas[place] if place else None
    distance = f"({'-' if delta < 0 else '+'}{figure(abs(delta), DIGITS)})" if delta is not None else ""
    words = [number(row.values[place]), distance, "*" if row.best == place else ""]
    return " ".join(word for word in words if word)
