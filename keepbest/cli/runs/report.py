"""`report`: the report of a run, of several runs or of a sweep, as Markdown and as one page of HTML."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Annotated

import typer

from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import print_json, say, warn
from keepbest.client.client import Client
from keepbest.contract.reports import Picture, Report
from keepbest.errors import InvalidInput
from keepbest.reports.blocks import to_html

Runs = Annotated[
    list[str], typer.Argument(metavar="RUN...", help="Ids of runs, or of one sweep, or their first letters.")
]
To = Annotated[
    Path | None, typer.Option(help="Folder for report.md, report.html and pictures; else Markdown is printed.")
]


def report(runs: Runs, to: To = None, as_json: AsJson = False) -> None:
    """Report a run honestly: how often was measured, what was selected, the test result, and how sure it is."""
    if to is not None and to.exists() and not to.is_dir():
        raise InvalidInput(f"The path {to} is a file.", field="to", hint="Name a folder.")
    with Client() as client:
        answer = client.report(runs)
    if to is None and not as_json:
        say(answer.markdown)
        return
    written = _write(answer, to)
    if as_json:
        print_json({"markdown": answer.markdown, "files": [str(path) for path in written]})
    else:
        warn(f"Wrote {', '.join(str(path) for path in written)}")


def _write(answer: Report, to: Path | None) -> list[Path]:
    """Write the report's files and return their paths; none without a folder."""
    if to is None:
        return []
    to.mkdir(parents=True, exist_ok=True)
    texts = {"report.md": answer.markdown, "report.html": to_html(answer.title, answer.blocks)}
    texts |= {PurePath(block.file).name: block.svg for block in answer.blocks if isinstance(block, Picture)}
    for name, text in texts.items():
        (to / name).write_text(text, encoding="utf-8")
    return [to / name for name in texts]
