"""`sql`: a question over views of runs, answered from the database's file, or from an archive, without a service."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from keepbest.cli.common.errors import Exit
from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import Table, print_json, print_table, warn
from keepbest.cli.service.processes import python
from keepbest.errors import KeepbestError, from_body
from keepbest.settings import child_environment

Statement = Annotated[
    str | None, typer.Argument(metavar="[SELECT]", help="A question in SQLite's SQL. Without it, the views are listed.")
]
From = Annotated[
    Path | None,
    typer.Option("--from", metavar="FILE", help="Ask an archive.", show_default="the database of KEEPBEST_DIR"),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000_000, help="Most rows.")]
Seconds = Annotated[float, typer.Option("--seconds", min=0.1, help="Most seconds.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]


def sql(
    statement: Statement = None,
    source: From = None,
    limit: Limit = 1000,
    seconds: Seconds = 60.0,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> int:
    """Ask the database in SQL: SELECT over runs, params, metrics, points, validations, checkpoints, events.

    It reads the database's file itself, so it is for whoever may read that. Nothing is written.
    """
    options = ["--rows", str(limit), "--seconds", str(seconds)]
    options += [] if source is None else ["--archive", str(source)]
    lines = _ask([*options, *([] if statement is None else ["--", statement])])
    head = next(lines)
    if "views" in head:
        _show_views(head["views"], as_json)
        return Exit.OK
    if as_csv:
        _print_csv(head["columns"], lines)
    else:
        _print_rows(head["columns"], list(lines), as_json)
    return Exit.OK


def _ask(arguments: list[str]) -> Iterator[Any]:
    """Yield what the process answers, line by line; raises its error."""
    command = python("tracker.sql", *arguments)
    with subprocess.Popen(command, env=child_environment(), stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            document = json.loads(line)
            if isinstance(document, dict) and "error" in document:
                raise from_body(document, 500)
            if isinstance(document, dict) and document.get("more") is True:
                warn("There are more rows: --limit.")
            if not (isinstance(document, dict) and "more" in document):
                yield document
    if process.returncode:
        raise KeepbestError("The process that answers ended.", hint="What it printed above says why.")


def _show_views(views: dict[str, list[str]], as_json: bool) -> None:
    if as_json:
        print_json(views)
        return
    table = Table(("view", "columns"))
    for name, columns in views.items():
        table.add(name, ", ".join(columns))
    print_table(table)


def _print_rows(columns: list[str], rows: list[list[Any]], as_json: bool) -> None:
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    table = Table(columns, empty="No row.")
    for row in rows:
        table.add(*("-" if value is None else value for value in row))
    print_table(table)


def _print_csv(columns: list[str], rows: Iterator[list[Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if value is None else value for value in row] for row in rows)
