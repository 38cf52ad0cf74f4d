"""`import mlflow`: takes over the runs of a store or a server of MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keepbest.cli.common.options import AsJson
from keepbest.cli.imports.import_runs import Again, DryRun, IntoProject, Watched, Way, make_wishes, take_runs
from keepbest.foreign.mlflow.store import open_store

Source = Annotated[str, typer.Argument(metavar="SOURCE", help="mlruns/, sqlite:///mlflow.db or http://host:5000.")]
Artifacts = Annotated[
    Path | None, typer.Option(help="Where a database's files lie.", show_default="the database's folder")
]
Token = Annotated[str, typer.Option(envvar="MLFLOW_TRACKING_TOKEN", help="Token for a server.", show_default=False)]


def import_mlflow(
    source: Source,
    project: IntoProject = None,
    monitor: Watched = None,
    mode: Way = None,
    artifacts: Artifacts = None,
    token: Token = "",
    again: Again = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Take over MLflow's runs: parameters, whole histories, tags, files, data sets, nested runs."""
    store = open_store(source, artifacts=artifacts, token=token)
    wishes = make_wishes(project, monitor, mode, again)
    return take_runs(store.runs(), wishes, is_dry=dry_run, as_json=as_json, left_out=store.left_out)
