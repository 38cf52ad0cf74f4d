"""`reproduce`: a folder with a run's code, packages, parameters and command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keepbest.cli.common.formatting import clean
from keepbest.cli.common.options import AsJson, RunId
from keepbest.cli.common.output import print_json, say, warn
from keepbest.client.bundle import unpack
from keepbest.client.client import Client
from keepbest.errors import Conflict
from keepbest.reports.reproduction import CODE, COMMAND, GET_CODE, Reproduction, plan_reproduction

To = Annotated[Path | None, typer.Option("--to", help="Folder to write; it must not exist.", show_default="RUN")]


def reproduce(run: RunId, to: To = None, as_json: AsJson = False) -> None:
    """Write a folder with what a run came about from: code, lock file, parameters, and the command that repeats it."""
    with Client() as client:
        known = client.run(run)
        folder = to or Path(known.id)
        if folder.exists():
            raise Conflict(f"{folder} is there already.", field="to", hint=f"keepbest reproduce {known.id} --to OTHER")
        reproduction = plan_reproduction(known, client.provenance(known.id))
        bundle = client.bundle(reproduction.bundle) if reproduction.bundle else None
    _write(folder, reproduction, bundle)
    if as_json:
        told = {"folder": str(folder), "command": reproduction.command, "missing": list(reproduction.missing)}
        print_json({"run": known.id, **told, "files": sorted(path.name for path in folder.iterdir())})
        return
    say(f"Wrote {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")
    for sentence in reproduction.missing:
        warn(f"missing: {clean(sentence)}")
    say(f"next: sh {folder / COMMAND}")


def _write(folder: Path, reproduction: Reproduction, bundle: bytes | None) -> None:
    folder.mkdir(parents=True)
    if bundle is not None:
        unpack(bundle, folder / CODE)
    for name, text in reproduction.files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
        if name in (COMMAND, GET_CODE):
            (folder / name).chmod(0o755)
