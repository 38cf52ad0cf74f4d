"""Every kind of model comes back by every road, or is refused by name: docs/reference/kinds.md has the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kinds.making import make
from tests.support.processes import Processes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_the_table_is_what_is_so(tmp_path: Path, processes: Processes) -> None:
    """One test, so that only three processes pay for TensorFlow."""
    from tests.support.kinds import table

    rows = make(tmp_path / "kinds", processes)
    assert table.lines_of(rows) == table.read(table.PAGE.read_text()), "mend it, or `make kinds-table`"


def test_what_was_written_is_judged_by_who_read_it(tmp_path: Path) -> None:
    from tests.support.kinds import table
    from tests.support.kinds.cell import Cell
    from tests.support.kinds.every import find
    from tests.support.kinds.place import Place

    place = Place(tmp_path, find("LoRA"))
    place.tell("train", {"trains": Cell("equal")})
    place.tell("back", {"by run": Cell("equal"), "keras": Cell("equal"), "tf": Cell("equal")})
    place.tell("read", {table.KERAS: Cell("equal"), "keras": Cell("WRONG", "another answer")})
    row = table.gather(tmp_path, ["LoRA"])["LoRA"]
    assert [row[road].word for road in ("trains", "by run", "keras", "tf")] == ["equal", "equal", "WRONG", "WRONG"]
