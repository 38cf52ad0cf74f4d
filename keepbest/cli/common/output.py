"""How the command prints: tables and colours on a terminal, plain aligned text into a pipe, JSON with --json.

All output goes through this module, which escapes it. Only drawing on a terminal imports Rich.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from keepbest.cli.common.formatting import clean, clean_text

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console
    from rich.progress import Progress

#: The style of a cell by its first word.
STYLES = {
    "queued": "dim", "leased": "cyan", "running": "bold cyan", "paused": "yellow",
    "finished": "green", "failed": "bold red", "cancelled": "yellow",
    "alive": "green", "silent": "yellow", "gone": "red",
    "ok": "green", "warn": "yellow", "fail": "bold red",
    "best": "bold green", "done": "green", "refused": "red", "requested": "yellow", "acknowledged": "cyan",
}  # fmt: skip

#: A terminal of so many characters has room for every column.
ROOMY = 120


@dataclass
class Table:
    """Columns and rows of plain text; a column named with a leading '>' is aligned right.

    The columns in `spare` are left out on a terminal narrower than ROOMY.
    """

    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    empty: str = ""
    spare: Sequence[str] = ()

    def add(self, *cells: object) -> None:
        self.rows.append([clean(cell) for cell in cells])


def is_terminal() -> bool:
    return sys.stdout.isatty()


def say(text: str = "") -> None:
    """Print a text, escaped except for line ends and tabs."""
    print(clean_text(text), flush=True)


def warn(text: str) -> None:
    """Print to stderr, so that stdout holds only results."""
    print(clean_text(text), file=sys.stderr, flush=True)


def print_json(value: BaseModel | dict[str, Any] | list[Any]) -> None:
    """Print JSON in ASCII, which escapes control characters in names."""
    if isinstance(value, dict | list):
        print(json.dumps(value, indent=2))
    else:
        print(value.model_dump_json(indent=2, ensure_ascii=True))


def print_table(table: Table) -> None:
    """Draw a table that fits the terminal; into a pipe go all characters of every cell, and no colour."""
    if not table.rows:
        say(table.empty)
    elif is_terminal():
        _draw(table)
    else:
        print("\n".join(_plain_lines(table)), flush=True)


def print_listing(listing: BaseModel, table: Table, rows: Iterable[Sequence[object]], *, as_json: bool) -> None:
    """Print a list as JSON, or as a table with these rows."""
    if as_json:
        print_json(listing)
        return
    for row in rows:
        table.add(*row)
    print_table(table)


def print_facts(title: str, facts: Iterable[tuple[str, str]]) -> None:
    """Print the names and values of one thing, without empty values."""
    known = [(name, clean(value)) for name, value in facts if value not in ("", "-")]
    width = max((len(name) for name, _ in known), default=0)
    if not is_terminal():
        say("\n".join([title, *(f"{name:<{width}}  {value}" for name, value in known)]))
        return
    console = new_console()
    console.print(styled(clean(title), "bold"))
    for name, value in known:
        console.print(styled(f"{name:<{width}}  ", "dim"), styled(value), sep="", soft_wrap=True)


def new_console(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is: without markup, emoji codes and guessed colours."""
    from rich.console import Console  # 40 ms that a pipe does not need

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


@contextmanager
def hushed() -> Iterator[None]:
    """Keep the stderr output of native libraries, such as TensorFlow's greeting, off the terminal."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Keep progress bars at the bottom of the terminal. Their `console` prints lines above them."""
    from rich.progress import BarColumn, Progress, TextColumn

    description = TextColumn("{task.description}", markup=False)
    words = TextColumn("{task.fields[words]}", markup=False)
    console, bar = new_console(), BarColumn(bar_width=None)
    with Progress(description, bar, words, console=console, transient=True, expand=True) as bars:
        yield bars


def styled(text: str, style: str | None = None) -> Any:
    """Return a Rich text in `style`, or in the style of its first word."""
    from rich.text import Text

    return Text(text, style or STYLES.get(text.split(" ", 1)[0], ""))


def _draw(table: Table) -> None:
    from rich import box
    from rich.table import Table as RichTable

    console = new_console()
    spare = table.spare if console.width < ROOMY else ()
    shown = [place for place, column in enumerate(table.columns) if column.lstrip(">") not in spare]
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in (table.columns[place] for place in shown):
        justify: Literal["left", "right"] = "right" if column.startswith(">") else "left"
        drawn.add_column(column.lstrip(">"), justify=justify, no_wrap=column == "id", overflow="fold")
    for row in table.rows:
        drawn.add_row(*(styled(row[place]) for place in shown))
    console.print(drawn)


def _plain_lines(table: Table) -> Iterable[str]:
    heads = [column.lstrip(">") for column in table.columns]
    widths = [max(len(row[place]) for row in [heads, *table.rows]) for place in range(len(heads))]
    for row in [heads, *table.rows]:
        cells = (
            cell.rjust(width) if column.startswith(">") else cell.ljust(width)
            for cell, width, column in zip(row, widths, table.columns, strict=True)
        )
        yield "  ".join(cells).rstrip()
