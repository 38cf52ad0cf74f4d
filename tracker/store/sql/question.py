"""Asks a question in SQL: on a connection that cannot write, and that lets a statement read the views alone.

SQLite itself says what a statement does, while it compiles it (its authorizer). No text is searched for words.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from keepbest.errors import Busy, InvalidInput
from keepbest.figures import figure
from tracker.store.sql.points import PointReader
from tracker.store.sql.sources import Source, make_empty, to_address
from tracker.store.sql.views import NUMBERS, TABLES, VIEWS

#: Instructions of SQLite's machine between two looks at the clock.
_INSTRUCTIONS = 10_000
#: The most bytes of one text or blob that a statement makes.
_MAX_BYTES = 256 * 2**20
_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE}
_FORBIDDEN_FUNCTIONS = {"load_extension", "fts3_tokenizer"}


@dataclass(frozen=True)
class SqlAnswer:
    """The names of the columns, and the rows as they come."""

    columns: Sequence[str]
    rows: Iterator[Sequence[Any]]


@contextmanager
def asked(statement: str, source: Source, *, seconds: float) -> Iterator[SqlAnswer]:
    """Yield the answer to a SELECT over the views, which may take so many seconds.

    Raises InvalidInput for anything that is no SELECT, reads something else than the views, or is no SQL; Busy for one
    that takes too long.
    """
    tables = find_tables(statement)
    until = time.monotonic() + seconds
    with source(tables) as path, _opened(path, tables) as connection, _in_our_words(seconds):
        connection.set_progress_handler(lambda: time.monotonic() > until, _INSTRUCTIONS)
        connection.set_authorizer(_make_guard(set()))
        cursor = connection.execute(statement)
        names = [column[0] for column in cursor.description or ()]
        yield SqlAnswer(names, _read(cursor, seconds))


def list_columns() -> dict[str, list[str]]:
    """Return the columns of each view."""
    with _opened_empty() as connection:
        return {
            name: [column[0] for column in connection.execute(f"SELECT * FROM {name} LIMIT 0").description]  # noqa: S608
            for name in VIEWS
        }


def find_tables(statement: str) -> set[str]:
    """Return the tables that a statement needs, as SQLite compiles it; raises InvalidInput for what it may not do."""
    tables = set[str]()
    with _opened_empty() as connection, _in_our_words(0.0):
        until = time.monotonic() + 1
        connection.set_progress_handler(lambda: time.monotonic() > until, _INSTRUCTIONS)
        connection.set_authorizer(_make_guard(tables))
        try:
            cursor = connection.execute(statement)
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            return tables
        if cursor.description is None:
            raise _refuse("It is no SELECT.")
    return tables


@contextmanager
def _opened_empty() -> Iterator[sqlite3.Connection]:
    engine = make_empty("sqlite://", TABLES)
    try:
        raw = engine.raw_connection()
        connection: Any = raw.driver_connection
        _prepare(connection, connection, TABLES)
        yield connection
        raw.invalidate()
    finally:
        engine.dispose()


@contextmanager
def _opened(path: Path, tables: set[str]) -> Iterator[sqlite3.Connection]:
    """Yield a connection that only reads the file."""
    with ExitStack() as held:
        open_it = partial(sqlite3.connect, to_address(path), uri=True)
        connection, beside = (held.enter_context(closing(open_it())) for _ in range(2))
        _prepare(connection, beside, tables)
        yield connection


def _prepare(connection: sqlite3.Connection, beside: sqlite3.Connection, tables: Sequence[str] | set[str]) -> None:
    """Make the views whose tables are there, and the functions that they call; `beside` reads packed points."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_BYTES)
    PointReader(beside).register(connection)
    connection.execute("SELECT 1 FROM json_each('[]'), json_tree('[]')")  # SQLite makes them at their first use
    connection.execute(f"CREATE TEMP TABLE {NUMBERS} (i INTEGER PRIMARY KEY)")
    if "metric_chunks" in tables:
        most = connection.execute("SELECT max(count) FROM main.metric_chunks").fetchone()[0] or 0
        connection.executemany(f"INSERT INTO {NUMBERS} VALUES (?)", ((number,) for number in range(most)))  # noqa: S608
    for name, query in VIEWS.items():
        connection.execute(f"CREATE TEMP VIEW {name} AS {query}")
    connection.commit()


def _make_guard(tables: set[str]) -> Callable[..., int]:
    """Return the authorizer: it collects the tables that views read, and denies all but reading views."""

    def guard(action: int, first: str | None, second: str | None, schema: str | None, view: str | None) -> int:
        if action in _READS:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION:
            return sqlite3.SQLITE_DENY if (second or "").lower() in _FORBIDDEN_FUNCTIONS else sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ and view in VIEWS:
            tables.update({first} & set(TABLES) if first else set())
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ and second == "" and first in {*TABLES, NUMBERS}:
            return sqlite3.SQLITE_OK  # of a view that SQLite joins: no column is read
        is_own = schema != "main" and first not in (NUMBERS, "sqlite_temp_master", "sqlite_temp_schema")
        if action == sqlite3.SQLITE_READ and (is_own or first in ("json_each", "json_tree")):
            return sqlite3.SQLITE_OK  # the columns of a view or of a WITH
        return sqlite3.SQLITE_DENY

    return guard


def _read(cursor: sqlite3.Cursor, seconds: float) -> Iterator[Sequence[Any]]:
    with _in_our_words(seconds):
        yield from cursor


@contextmanager
def _in_our_words(seconds: float) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning) as error:
        words = str(error)
        if "interrupted" in words:
            message = f"The question took longer than {figure(seconds)} s."
            raise Busy(message, hint="Ask for less, or allow more: --seconds.") from None
        if any(word in words for word in ("prohibited", "not authorized", "authorization denied", "readonly")):
            raise _refuse(f"It may read the views alone ({words}).") from None
        raise _refuse(f"SQLite says: {words}.") from None


def _refuse(why: str) -> InvalidInput:
    hint = f"A SELECT over {', '.join(VIEWS)}; `keepbest sql` lists their columns."
    return InvalidInput(f"This question has no answer. {why}", field="sql", hint=hint)
