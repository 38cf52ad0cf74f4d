"""`sync`: what scripts could not send, sent: runs kept offline, and the rest of runs whose script died."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keepbest.cli.failing import Exit
from keepbest.cli.options import AsJson
from keepbest.cli.output import Table, print_json, print_table
from keepbest.client import Client
from keepbest.errors import KeepbestError
from keepbest.reporting.journal import drain_left_over
from keepbest.runs.offline import find_offline, send_offline
from keepbest.settings import load


def sync(as_json: AsJson = False) -> int:
    """Send the runs that were kept offline, and what scripts that died had not sent yet."""
    settings = load()
    with Client(settings=settings) as client:
        client.me()  # the tracker is there and knows us, or nothing is tried
        done = [*_send_runs(settings.dir / "offline", client), *_send_rests(settings.dir / "journals", client)]
    if as_json:
        print_json(done)
    else:
        print_table(_table(done))
    return Exit.ERROR if any(one["problem"] for one in done) else Exit.OK


def _send_runs(parent: Path, client: Client) -> Iterator[dict[str, Any]]:
    for folder in find_offline(parent):
        try:
            yield {"kept": folder.name, "run": send_offline(folder, client), "problem": None}
        except KeepbestError as error:
            yield {"kept": folder.name, "run": None, "problem": error.message}


def _send_rests(folder: Path, client: Client) -> Iterator[dict[str, Any]]:
    left = drain_left_over(folder, client)
    if left.sent or left.problems:
        yield {"kept": f"{left.sent} batches", "run": None, "problem": "; ".join(left.problems) or None}


def _table(done: list[dict[str, Any]]) -> Table:
    table = Table(["kept as", "run", "problem"], empty="Everything is at the tracker already.")
    for one in done:
        table.add(one["kept"], one["run"] or "-", one["problem"] or "-")
    return table
