"""`import tensorboard|wandb|csv|json`: what these tools left in files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import print_json, say
from keepbest.cli.imports.import_runs import (
    Again,
    DryRun,
    IntoProject,
    Watched,
    Way,
    make_wishes,
    print_report,
    take_runs,
)
from keepbest.client.client import Client
from keepbest.errors import InvalidInput
from keepbest.foreign.csv_file import read_csv_file
from keepbest.foreign.foreign_run import ForeignRun
from keepbest.foreign.history_file import read_history_file
from keepbest.foreign.importer import Wishes, import_runs
from keepbest.foreign.tensorboard.log_folder import find_runs, read_log_folder
from keepbest.foreign.wandb.run_folder import read_run_folders

Logs = Annotated[Path, typer.Argument(metavar="LOGDIR", help="The folder that TensorBoard is started with.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Go on with what is written, until Ctrl-C.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder `wandb`, or one above or below it.")]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="A file is a run.")]
Step = Annotated[str | None, typer.Option(metavar="NAME", help="The column of steps.", show_default="by its name")]
#: Between two looks, and at least so many times the seconds that a look took.
WATCH_SECONDS, _REST = 2.0, 5


def import_tensorboard(
    logs: Logs,
    watch: Watch = False,
    project: IntoProject = None,
    monitor: Watched = None,
    mode: Way = None,
    again: Again = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Take over TensorBoard's event files; train and validation of one training become one run."""
    wishes = make_wishes(project, monitor, mode, again)
    if not watch:
        return take_runs(read_log_folder(logs), wishes, is_dry=dry_run, as_json=as_json)
    if dry_run or again:
        raise InvalidInput("--watch goes with neither --dry-run nor --again.", field="watch")
    with Client() as client:
        _follow(client, logs, wishes, as_json)


def _follow(client: Client, logs: Path, wishes: Wishes, as_json: bool) -> NoReturn:
    """Import what is new, again and again; only what changed is read and told. Ctrl-C ends it."""
    sizes: dict[Path, int] = {}
    say(f"Watching {logs}: Ctrl-C ends it.")
    while True:
        began = time.monotonic()
        report = import_runs(client, _changed(logs, sizes), wishes)
        news = report.model_copy(update={"runs": [run for run in report.runs if run.status != "there"]})
        if news.runs:
            print_json(news) if as_json else print_report(news)
        rest(max(WATCH_SECONDS, _REST * (time.monotonic() - began)))


def rest(seconds: float) -> None:
    """Wait for the writers."""
    time.sleep(seconds)


def _changed(logs: Path, sizes: dict[Path, int]) -> Iterator[ForeignRun]:
    """Yield the runs whose files grew since they were read last."""
    for files in find_runs(logs):
        size = files.measure()
        if size != sizes.get(files.root):
            sizes[files.root] = size
            yield files.describe()


def import_wandb(
    folder: Folder,
    project: IntoProject = None,
    monitor: Watched = None,
    mode: Way = None,
    again: Again = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Take over runs that W&B kept offline: history, config, summary, files. Needs no W&B."""
    wishes = make_wishes(project, monitor, mode, again)
    return take_runs(read_run_folders(folder), wishes, is_dry=dry_run, as_json=as_json)


def import_csv(
    files: Files,
    step: Step = None,
    project: IntoProject = None,
    monitor: Watched = None,
    mode: Way = None,
    again: Again = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Take over CSV files with a column of steps, as Keras' CSVLogger writes them."""
    runs = chain.from_iterable(read_csv_file(file, step) for file in files)
    return take_runs(runs, make_wishes(project, monitor, mode, again), is_dry=dry_run, as_json=as_json)


def import_json(
    files: Files,
    project: IntoProject = None,
    monitor: Watched = None,
    mode: Way = None,
    again: Again = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Take over the `History.history` of a fit, as json.dump wrote it."""
    runs = chain.from_iterable(read_history_file(file) for file in files)
    return take_runs(runs, make_wishes(project, monitor, mode, again), is_dry=dry_run, as_json=as_json)
