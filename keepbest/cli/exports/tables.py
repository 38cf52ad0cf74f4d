"""Tables of an export: every point in long form, and a row for each run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO, Literal, cast

from keepbest.cli.common.output import is_terminal, progress_bars
from keepbest.cli.exports import parquet
from keepbest.cli.exports.subject import ExportSubject
from keepbest.client.client import Client
from keepbest.contract.base import iso, new_id
from keepbest.errors import InvalidInput

TableForm = Literal["csv", "parquet"]


@dataclass(frozen=True)
class WrittenTables:
    """The files of an export, and how much is in them."""

    files: list[Path]
    runs: int
    points: int


def write(client: Client, subject: ExportSubject, to: Path, form: TableForm, *, force: bool) -> WrittenTables:
    """Write the points of the runs, and into a folder a table of the runs too. A file appears whole or not at all.

    Raises InvalidInput where a file is there already and nobody said `force`.
    """
    if form == "parquet":
        parquet.check_installed()
    is_file = to.suffix == f".{form}"
    points, table = (to, None) if is_file else (to / f"points.{form}", to / f"runs.{form}")
    for file in (points, table):
        check_free(file, force)
    chosen = list(subject)
    with whole_file(points) as sink:
        total = _write_points(client, [run.id for run in chosen], sink, form)
    if table is not None:
        records = [run.to_record() for run in chosen]
        with whole_file(table) as sink:
            if form == "parquet":
                parquet.write_records(records, sink)
            else:
                sink.write(_to_csv(records).encode())
    return WrittenTables([file for file in (points, table) if file is not None], len(chosen), total)


def check_free(file: Path | None, force: bool) -> None:
    """Raise InvalidInput where a file would be overwritten."""
    if file is not None and file.exists() and not force:
        raise InvalidInput(f"{file} is there already.", field="to", hint="Name another place, or add --force.")


@contextmanager
def whole_file(file: Path) -> Iterator[BinaryIO]:
    """Yield a file beside `file` that takes its place after the block; it is gone if the block raises."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name[:100]}.{new_id()}.part")
    try:
        with beside.open("xb") as sink:
            yield sink
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def _write_points(client: Client, runs: Sequence[str], sink: BinaryIO, form: TableForm) -> int:
    """Write the points of the runs one after another, with one line of names."""
    if form == "parquet":
        with NamedTemporaryFile(suffix=".csv") as between:
            total = _write_points(client, runs, cast(BinaryIO, between), "csv")
            between.flush()
            parquet.write_points(Path(between.name), sink)
            return total
    return sum(client.exports.points(run, sink, with_names=place == 0) for place, run in enumerate(_counted_out(runs)))


def _counted_out(runs: Sequence[str]) -> Iterator[str]:
    """Yield the runs and show how many are done, on a terminal and for several runs."""
    if len(runs) < 2 or not is_terminal():
        yield from runs
        return
    with progress_bars() as bars:
        task = bars.add_task("exporting", total=len(runs), words="")
        for done, run in enumerate(runs):
            bars.update(task, completed=done, words=f"run {done + 1} of {len(runs)}")
            yield run


def _to_csv(records: Sequence[dict[str, Any]]) -> str:
    """Return records as CSV; a record that lacks a column of another one has an empty cell."""
    columns = list(dict.fromkeys(name for record in records for name in record))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(columns)
    rows.writerows([_to_cell(record.get(name)) for name in columns] for record in records)
    return text.getvalue()


def _to_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, dict | list):
        return json.dumps(value)
    return repr(value) if isinstance(value, float) else str(value)
