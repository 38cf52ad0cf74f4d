"""Every example of docs/reference/filters.md says which runs it fits, and the tracker answers the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import update

from tests.support.api import Api
from tests.support.processes import ROOT
from tests.support.store import submit_external
from tests.tracker.store.metrics.test_metrics import points
from tracker import db
from tracker.models import RunTable
from tracker.store.metrics import metrics
from tracker.store.metrics.metrics import Column

PAGE = ROOT / "docs" / "reference" / "filters.md"
#: The last code of a cell; two backquotes hold one.
_CODE = re.compile(r"^(?:``(.+)``|`([^`]+)`)$")


def read_rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of each row of a table."""
    for line in text.splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def read_tables() -> tuple[list[list[str]], list[tuple[str, list[str]]]]:
    """Return the rows of the runs, and each filter with the names of the runs that it fits."""
    first, *others = PAGE.read_text(encoding="utf-8").split("\n## ")
    runs = [row for row in read_rows(first) if row[0] != "run"]
    examples = []
    for row in read_rows("\n## ".join(others)):
        filters = [match[1] or match[2] for cell in (row[0], row[-2]) if (match := _CODE.match(cell))]
        if filters:
            examples.append((filters[-1], [] if row[-1] == "none" else row[-1].split(", ")))
    return runs, examples


RUNS, EXAMPLES = read_tables()


def test_the_page_has_runs_and_examples() -> None:
    assert len(RUNS) == 4
    assert len(EXAMPLES) >= 40


@pytest.fixture
def known(api: Api) -> Api:
    """The runs of the page."""
    api.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for row in RUNS:
        add_run(api, *row)
    return api


def add_run(api: Api, name: str, state: str, tags: str, parameters: str, values: str, notes: str, created: str) -> None:
    with db.write(api.engine) as conn:
        given: dict[str, Any] = {
            key: read_value(value) for key, value in (pair.split("=") for pair in split(parameters))
        }
        run = submit_external(
            conn, name=name.strip("`"), monitor="loss", tags=split(tags), parameters=given, notes=notes
        )
        if values:
            curve = points(range(len(split(values))), [float(value) for value in split(values)])
            metrics.add_columns(conn, run, [Column(0, "val_loss", curve)], newest=True)
        moment = datetime.fromisoformat(created).replace(tzinfo=UTC)
        conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(state=state, created_at=moment))


def split(cell: str) -> list[str]:
    return [part for part in cell.split(", ") if part]


def read_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def test_each_example_fits_the_runs_that_the_page_names(known: Api) -> None:
    wrong = {}
    for text, names in EXAMPLES:
        fitting = [run["name"] for run in known.get(f"/runs?q={quote(text)}&sort=number&order=asc")["runs"]]
        if fitting != names:
            wrong[text] = fitting
    assert wrong == {}
