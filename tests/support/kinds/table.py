"""The table (kind x road) on its page, and the list of what is refused or wrong under it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.kinds.cell import Cell
from tests.support.kinds.every import KINDS, find
from tests.support.kinds.kind import Kind
from tests.support.kinds.place import Place
from tests.support.processes import ROOT

PAGE = ROOT / "docs" / "reference" / "kinds.md"
BEGIN, END = "<!-- written by `make kinds-table`: begin -->", "<!-- end -->"

#: A `.keras` file that Keras itself wrote, read again: what it gives back, keepbest gives back.
KERAS = "Keras' own"
#: Of a reason; the rest is a list of variables.
REASON_CHARACTERS = 240
FORMS = ("keras", "weights", "savedmodel", "tf", "safetensors", "npz")
ROADS = (KERAS, "trains", "roll back", "resume", "by run", "own model", *FORMS)
Row = Mapping[str, Cell]


def gather(root: Path, only: Sequence[str] = ()) -> dict[str, Row]:
    """Return the rows from what the processes left, of some kinds or all."""
    return {name: _row(kind, Place(root, kind)) for name in only or KINDS for kind in [find(name)]}


def _row(kind: Kind, place: Place) -> Row:
    found = place.hear("read") | _without_forms(place.hear("back")) | place.hear("train")
    failed = found.get("", Cell("WRONG", "it was not tried"))
    row = {road: found.get(road, failed) for road in ROADS}
    return {road: cell if road == KERAS else _weigh(kind, cell, row[KERAS]) for road, cell in row.items()}


def _without_forms(cells: Mapping[str, Cell]) -> dict[str, Cell]:
    """Drop the results of writing a form: only reading it shows what the file holds."""
    return {road: cell for road, cell in cells.items() if road not in FORMS}


def _weigh(kind: Kind, cell: Cell, theirs: Cell) -> Cell:
    """A refusal is right where Keras refuses too, and where its message names the part."""
    if cell.word in ("refused", "--into"):
        if theirs.word == "equal":
            return Cell("WRONG", f"refused, but Keras gives it back: {cell.why}")
        if kind.called and not any(name in cell.why for name in kind.called):
            return Cell("WRONG", f"refused without a name: {cell.why}")
    return cell


def lines_of(rows: Mapping[str, Row]) -> list[str]:
    """Return the table, as its page has it, with the reasons of each refusal."""
    table = [_line("kind", *ROADS), _line(*["---"] * (len(ROADS) + 1))]
    table += [_line(name, *(row[road].word for road in ROADS)) for name, row in rows.items()]
    reasons = [
        f"- {name}: {cell.word} ({', '.join(roads)}): {plain(cell.why)}"
        for name, row in rows.items()
        for cell, roads in _by_reason(row)
        if cell.word in ("refused", "--into") and KERAS not in roads
    ]
    return [*table, "", *(["What is refused says:", "", *reasons, ""] if reasons else [])]


def _by_reason(row: Row) -> list[tuple[Cell, list[str]]]:
    found: dict[tuple[str, str], tuple[Cell, list[str]]] = {}
    for road, cell in row.items():
        found.setdefault((cell.word, plain(cell.why)), (cell, []))[1].append(road)
    return list(found.values())


def plain(why: str) -> str:
    """Return how a reason begins, without what differs from run to run: ids, folders."""
    why = re.sub(r"\b(?=\w*\d)[0-9a-z]{12}\b", "ID", re.sub(r"(?<!\S)/\S+", "PATH", why))
    return why.replace("|", "/")[:REASON_CHARACTERS]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def read(page: str) -> list[str]:
    """Return the lines between the markers of a page."""
    return [*page.partition(BEGIN)[2].partition(END)[0].strip("\n").split("\n"), ""]


def put(page: str, lines: list[str]) -> str:
    head, _, rest = page.partition(BEGIN)
    return f"{head}{BEGIN}\n" + "\n".join(lines) + f"{END}{rest.partition(END)[2]}"
