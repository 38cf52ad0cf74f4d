"""`export tensorboard`: runs as event files that TensorBoard shows, and that `import tensorboard` takes back."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer

from keepbest.cli.common.formatting import clean, counted
from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import print_json, say
from keepbest.client.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.runs import Run, Segment
from keepbest.errors import InvalidInput
from keepbest.foreign.tensorboard.writer import ENDING, EventWriter
from keepbest.status import RunState

Runs = Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids of runs, or their first letters.")]
To = Annotated[Path, typer.Option("--to", metavar="LOGDIR", help="Each run gets a folder in it.")]
Force = Annotated[bool, typer.Option("--force", help="Write anew what an export wrote there before.")]
_UNSAFE = re.compile(r"[^\w.+=@ -]")
_FAILED = frozenset({RunState.FAILED, RunState.CANCELLED})


def export_tensorboard(runs: Runs, to: To, force: Force = False, as_json: AsJson = False) -> None:
    """Write runs as TensorBoard's event files: every value, parameters, notes; a branch takes back what it left."""
    written: list[Path] = []
    points = 0
    with Client() as client:
        chosen = list({run.id: run for run in map(client.run, runs)}.values())
        folders = [to / _name_folder(run) for run in chosen]
        for folder in folders:
            _check_free(folder, force)
        for run, folder in zip(chosen, folders, strict=True):
            with _whole_folder(folder) as part:
                points += _write_run(client, run, part)
            written.append(folder)
    if as_json:
        print_json({"written": [str(path) for path in written], "runs": len(chosen), "points": points})
    else:
        say(f"{counted(points, 'point')} of {counted(len(chosen), 'run')} written to {clean(str(to))}.")


def _name_folder(run: Run) -> str:
    """Return a run's folder, by which TensorBoard calls it: its name and its number."""
    return f"{_UNSAFE.sub('_', run.name).strip('. ')[:100] or 'run'}-{run.number}"


def _check_free(folder: Path, force: bool) -> None:
    if folder.exists() and not force:
        raise InvalidInput(f"{folder} is there already.", field="to", hint="Name another folder, or add --force.")


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder whose files take their places in `folder` after the block; it is gone if the block raises."""
    part = folder.with_name(f".{folder.name[:100]}.{new_id()}.part")
    part.mkdir(parents=True)
    try:
        yield part
        folder.mkdir(exist_ok=True)
        for path in folder.glob(f"events.out.tfevents.*.{ENDING}"):
            path.unlink()
        for path in part.iterdir():
            path.replace(folder / path.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_run(client: Client, run: Run, folder: Path) -> int:
    """Write a run, a file a segment, and return the number of its points."""
    began = run.started_at or run.created_at
    with ExitStack() as stack, TemporaryFile("w+b") as spool:
        segments = {segment.number: segment for segment in client.segments(run.id).segments}
        files = _SegmentFiles(folder, began.timestamp(), segments, stack)
        count = client.exports.points(run.id, spool)
        _describe(run, files.open(0), began)
        files.open(0).add_start(step=0, at=began.timestamp())  # TensorBoard takes nothing back at the first START
        spool.seek(0)
        with open(spool.fileno(), encoding="utf-8", newline="", closefd=False) as lines:
            for row in csv.DictReader(lines):
                step, value, at = int(row["step"]), float(row["value"]), float(row["time"])
                files.open(int(row["segment"])).add_scalar(row["key"], step=step, value=value, at=at)
    return count


@dataclass
class _SegmentFiles:
    """An event file of each segment, opened once it is needed; TensorBoard reads them in the order of segments."""

    folder: Path
    began: float
    segments: dict[int, Segment]
    stack: ExitStack
    _opened: dict[int, EventWriter] = field(default_factory=dict)

    def open(self, number: int) -> EventWriter:
        """Return the file of a segment. A later segment takes back the steps that it trains anew."""
        if number not in self._opened:
            writer = self.stack.enter_context(EventWriter(self.folder, at=self.began, number=number))
            segment = self.segments.get(number)
            if segment is not None and number > 0:
                writer.add_start(step=segment.start_step + 1, at=segment.opened_at.timestamp())
            self._opened[number] = writer
        return self._opened[number]


def _describe(run: Run, writer: EventWriter, began: datetime) -> None:
    at = began.timestamp()
    parameters = {key: value for key, value in run.spec.parameters.items() if isinstance(value, str | int | float)}
    ended = None if run.ended_at is None else run.ended_at.timestamp()
    if parameters or ended is not None:
        writer.add_session(parameters, began=at, ended=ended, good=run.state not in _FAILED)
    if run.notes:
        writer.add_text("notes", run.notes, step=0, at=at)
