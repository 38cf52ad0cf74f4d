"""`sync`: sends runs that scripts kept offline, and what scripts that died could not send."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from keepbest.cli.common.errors import Exit
from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import Table, print_json, print_table, warn
from keepbest.client.client import Client
from keepbest.errors import KeepbestError
from keepbest.journal.left_over import drain_left_over
from keepbest.journal.retry import send_again
from keepbest.journal.set_aside import list_set_aside
from keepbest.settings import Settings, load
from keepbest.tracking.offline import find_offline, send_offline

WATCH_SECONDS = 2.0
SET_ASIDE = "set aside"

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Go on until the scripts that still write have ended.")]
Again = Annotated[bool, typer.Option("--again", help="Send again what was set aside, as after an upgrade.")]


def sync(watch: Watch = False, again: Again = False, as_json: AsJson = False) -> int:
    """Send the runs that scripts kept offline, even of scripts that still run, and what scripts that died left."""
    settings = load()
    with Client(settings=settings) as client:
        client.me()  # raises if the tracker does not answer, or refuses the token
        done = _send(settings, client)
        while watch and any(item["state"] == "running" for item in done):
            _warn_of(done)
            time.sleep(WATCH_SECONDS)
            done = _send(settings, client)
        if again:
            done += _send_again(settings, client)
    done += _list_missing(settings)
    if as_json:
        print_json(done)
    else:
        print_table(_table(done))
    return Exit.ERROR if any(item["problem"] for item in done if item["state"] != SET_ASIDE) else Exit.OK


def _send(settings: Settings, client: Client) -> list[dict[str, Any]]:
    return [*_send_runs(settings.dir / "offline", client), *_send_rests(settings.dir / "journals", client)]


def _send_runs(parent: Path, client: Client) -> Iterator[dict[str, Any]]:
    for folder in find_offline(parent):
        try:
            sent = send_offline(folder, client)
        except KeepbestError as error:
            yield {"kept": folder.name, "run": None, "state": "kept", "problem": error.message}
            continue
        if sent is not None:
            state = "sent" if sent.is_over else "running"
            yield {"kept": folder.name, "run": sent.run, "state": state, "problem": None}


def _send_rests(folder: Path, client: Client) -> Iterator[dict[str, Any]]:
    left = drain_left_over(folder, client)
    if left.sent or left.problems:
        problem = "; ".join(left.problems) or None
        state = "kept" if problem else "sent"
        yield {"kept": f"{left.sent} batches", "run": None, "state": state, "problem": problem}


def _send_again(settings: Settings, client: Client) -> Iterator[dict[str, Any]]:
    """Send each entry that was set aside again; an entry that the tracker refuses again stays in its file."""
    for file in list_set_aside(settings.dir):
        resent = send_again(file, client)
        if resent.taken:
            yield {"kept": f"{resent.taken} entries", "run": file.run, "state": "sent", "problem": None}


def _list_missing(settings: Settings) -> list[dict[str, Any]]:
    """Return the entries that are set aside. A newer tracker may take them (`--again`)."""
    return [
        {
            "kept": str(file.path),
            "run": file.run,
            "state": SET_ASIDE,
            "problem": f"the tracker did not take {file.what}: {file.why}"
            + (f" (and {file.entries - 1} more)" if file.entries > 1 else ""),
        }
        for file in list_set_aside(settings.dir)
    ]


def _warn_of(done: list[dict[str, Any]]) -> None:
    for item in done:
        if item["problem"]:
            warn(f"{item['kept']}: {item['problem']}")


def _table(done: list[dict[str, Any]]) -> Table:
    table = Table(["kept as", "run", "state", "problem"], empty="Everything is at the tracker already.")
    for item in done:
        table.add(item["kept"], item["run"] or "-", item["state"], item["problem"] or "-")
    return table
