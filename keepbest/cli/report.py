"""`report`: what a run, or several, really say; as Markdown and as one page of HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keepbest.cli.options import AsJson
from keepbest.cli.output import print_json, say, warn
from keepbest.client import Client
from keepbest.errors import InvalidInput
from keepbest.report.blocks import Block, Picture, to_html, to_markdown
from keepbest.report.material import gather
from keepbest.report.run import report_run
from keepbest.report.several import report_several

Runs = Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids of runs, or their first letters.")]
To = Annotated[
    Path | None, typer.Option(help="Folder for report.md, report.html and pictures; else Markdown is printed.")
]


def report(runs: Runs, to: To = None, as_json: AsJson = False) -> None:
    """Report a run honestly: how often was looked, what was selected, what the test set said once, and how sure."""
    if to is not None and to.exists() and not to.is_dir():
        raise InvalidInput(f"{to} is a file.", field="to")
    with Client() as client:
        materials = [gather(client, run) for run in runs]
    blocks = list(report_run(materials[0]) if len(materials) == 1 else report_several(materials))
    if to is None and not as_json:
        say(to_markdown(blocks))
        return
    written = _write(blocks, materials[0].run.name if len(materials) == 1 else f"{len(materials)} runs", to)
    if as_json:
        print_json({"markdown": to_markdown(blocks), "files": [str(path) for path in written]})
    else:
        warn(f"Wrote {', '.join(str(path) for path in written)}")


def _write(blocks: list[Block], title: str, to: Path | None) -> list[Path]:
    """Write the report's files and return them; none where no folder was named."""
    if to is None:
        return []
    to.mkdir(parents=True, exist_ok=True)
    texts = {"report.md": to_markdown(blocks), "report.html": to_html(title, blocks)}
    texts |= {block.file: block.svg for block in blocks if isinstance(block, Picture)}
    for name, text in texts.items():
        (to / name).write_text(text, encoding="utf-8")
    return [to / name for name in texts]
