"""What every import has in common: its options, the progress, the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import typer

from keepbest.cli.common.errors import Exit
from keepbest.cli.common.formatting import at_step, clean, counted
from keepbest.cli.common.output import Table, is_terminal, print_json, print_table, progress_bars, say, warn
from keepbest.client.client import Client
from keepbest.contract.runs import Mode
from keepbest.figures import size
from keepbest.foreign.foreign_run import ForeignRun
from keepbest.foreign.importer import Wishes, import_runs
from keepbest.foreign.report import ImportOutcome, ImportReport

IntoProject = Annotated[
    str | None, typer.Option("--project", "-p", help="Project for all runs.", show_default="as the source calls it")
]
Watched = Annotated[
    str | None, typer.Option("--monitor", help="Metric to judge.", show_default="what the source says, or val_loss")
]
Way = Annotated[
    Literal["min", "max"] | None,
    typer.Option("--mode", help="Which way it gets better.", show_default="as its name says"),
]
Again = Annotated[bool, typer.Option("--again", help="Make new runs of what was imported before.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would come, and send nothing.")]


def make_wishes(project: str | None, monitor: str | None, mode: Literal["min", "max"] | None, again: bool) -> Wishes:
    """Return what the options say in place of the sources."""
    return Wishes(project=project, monitor=monitor, mode=None if mode is None else Mode(mode), again=again)


def take_runs(
    runs: Iterable[ForeignRun],
    wishes: Wishes,
    *,
    is_dry: bool,
    as_json: bool,
    left_out: Callable[[], Iterable[str]] = tuple,
) -> int:
    """Import runs, or only look at them, and print the report; `left_out` says what concerns no single run."""
    with _follow(as_json) as (watch, tell):
        if is_dry:
            report = import_runs(None, runs, wishes, watch=watch, say=tell)
        else:
            with Client() as client:
                report = import_runs(client, runs, wishes, watch=watch, say=tell)
    report = report.model_copy(update={"left_out": [*report.left_out, *left_out()]})
    if as_json:
        print_json(report)
    else:
        print_report(report)
    return Exit.ERROR if report.count("left_out") and report.count("left_out") == len(report.runs) else Exit.OK


@contextmanager
def _follow(as_json: bool) -> Iterator[tuple[Callable[[int], object], Callable[[ImportOutcome], object]]]:
    """Show on a terminal how many runs and points came."""
    if as_json or not is_terminal():
        yield (lambda points: None), (lambda outcome: None)
        return
    with progress_bars() as bars:
        task, counts = bars.add_task("importing", total=None, words=""), {"points": 0, "runs": 0}

        def show(name: str, more: int) -> None:
            counts[name] += more
            bars.update(task, words=f"{counted(counts['runs'], 'run')}, {counted(counts['points'], 'point')}")

        yield (lambda points: show("points", points)), (lambda outcome: show("runs", 1))


def print_report(report: ImportReport) -> None:
    """Print what became of each run, and what was left out and why."""
    table = Table(
        ("what", "name", "project", "id", ">points", ">files", "monitor", "best"),
        empty="No runs there.",
        spare=("name",),
    )
    for outcome in report.runs:
        table.add(
            outcome.status.replace("_", " "),
            outcome.name,
            outcome.project or "-",
            outcome.run or "-",
            f"{outcome.points:,}",
            f"{outcome.files:,}",
            _say_monitor(outcome),
            at_step(outcome.best_value, outcome.best_step),
        )
    print_table(table)
    for outcome in report.runs:
        for text in outcome.left_out:
            warn(f"{clean(outcome.name)}: left out: {clean(text)}")
    for text in report.left_out:
        warn(f"Left out: {clean(text)}")
    if report.runs:
        say(_sum_up(report))


def _say_monitor(outcome: ImportOutcome) -> str:
    if outcome.monitor is None:
        return "-"
    way = f" {outcome.mode.value}" if outcome.mode is not None else ""
    return f"{outcome.monitor}{way}{' (guessed)' if outcome.is_guessed else ''}"


def _sum_up(report: ImportReport) -> str:
    """Return the sum of it, such as `2 runs came, 3 were there already: 1,200 points and 4 files (12 kB).`"""
    come = report.count("new") + report.count("grown")
    would = report.count("would_come")
    words = f"{counted(would, 'run')} would come" if would else f"{counted(come, 'run')} came"
    parts = [words, *([f"{report.count('there'):,} had nothing new"] if report.count("there") else [])]
    parts += [f"{report.count('left_out'):,} left out"] if report.count("left_out") else []
    points = sum(outcome.points if would else outcome.new_points for outcome in report.runs)
    files = sum(outcome.files if would else outcome.new_files for outcome in report.runs)
    bytes_there = sum(outcome.bytes for outcome in report.runs)
    return f"{', '.join(parts)}: {counted(points, 'point')}, {counted(files, 'file')} ({size(bytes_there)})."
