"""`python -m tracker.sql`: answers a question in SQL, for whoever may read the database's file or an archive.

It writes a line of JSON with the columns, then one for each row; an error is one line with the error body.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from keepbest.errors import KeepbestError, NotFound
from tracker.settings import TrackerSettings
from tracker.store.sql import question
from tracker.store.sql.sources import open_source


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tracker.sql", description="Answer a question in SQL.")
    parser.add_argument("statement", nargs="?", help="a SELECT; without it, the views and their columns")
    parser.add_argument("--archive", type=Path, help="an archive to ask instead of the database")
    parser.add_argument("--rows", type=int, default=1000, help="most rows")
    parser.add_argument("--seconds", type=float, default=60.0, help="most seconds")
    given = parser.parse_args(arguments)
    try:
        _answer(given)
    except KeepbestError as error:
        _write({"error": {"code": error.code, "message": error.message, "field": error.field, "hint": error.hint}})
        return 1
    return 0


def _answer(given: argparse.Namespace) -> None:
    if given.statement is None:
        _write({"views": question.list_columns()})
        return
    with ExitStack() as held:
        archive = None if given.archive is None else held.enter_context(_open(given.archive))
        source = open_source(TrackerSettings.load().database_url, archive)
        answer = held.enter_context(question.asked(given.statement, source, seconds=given.seconds))
        _write({"columns": list(answer.columns)})
        for row in islice(answer.rows, given.rows):
            _write([_to_json(value) for value in row])
        _write({"more": next(answer.rows, None) is not None})


def _open(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}.", field="archive") from None


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _write(document: Any) -> None:
    sys.stdout.write(f"{json.dumps(document)}\n")


if __name__ == "__main__":
    sys.exit(main())
