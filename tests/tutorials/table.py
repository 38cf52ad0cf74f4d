"""The table of measurements on a page, between two markers: a row a system, the rows of others left as they are."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from tests.tutorials.systems import System

BEGIN, END = "<!-- measured by `make tutorials`: begin -->", "<!-- end -->"
TITLES = (
    "system",
    "seed",
    "in the tutorial",
    "here",
    "steps",
    "seconds",
    "stopped by",
    "best, restored in a fresh process (difference)",
    "measured",
)


def read(page: str) -> dict[str, str]:
    """Return the rows of systems that were measured, by name."""
    rows = [line for line in page[slice(*_place(page))].splitlines() if line.startswith("| `")]
    return {_name_of(row): row for row in rows if "not measured here yet" not in row}


def put(page: str, systems: Sequence[System], measured: Mapping[str, str]) -> str:
    """Return the page with these rows in the table, and those that it had; systems without one say how to get it."""
    rows = {**read(page), **measured}
    lines = [make_row(TITLES), make_row(["---"] * len(TITLES))]
    lines += [rows.get(system.name, _unmeasured(system)) for system in systems]
    return between(page, BEGIN, lines)


def between(page: str, begin: str, lines: Sequence[str]) -> str:
    """Return the page with these lines between a marker and the next end; raises ValueError where it has no markers."""
    start, end = _place(page, begin)
    return "\n".join([page[:start], *lines, page[end:]])


def row_of(system: System, cells: Sequence[str]) -> str:
    return make_row([f"`{system.name}`", system.seed, system.says, *cells])


def _unmeasured(system: System) -> str:
    missing = f"not measured here yet: `make tutorials ONLY={system.name}`"
    return row_of(system, [missing, *[""] * (len(TITLES) - 4)])


def machine() -> str:
    return f"{os.cpu_count()} cores {platform.machine()}, TensorFlow {version('tensorflow')}"


def _place(page: str, begin: str = BEGIN) -> tuple[int, int]:
    """Return where what is between the markers begins and ends."""
    start = page.index(begin) + len(begin)
    return start, page.index(END, start)


def make_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def _name_of(row: str) -> str:
    return row.split("`")[1]
