"""Where the views get their rows: an SQLite database as it is; of Postgres or an archive, a copy of the tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from sqlalchemy import Connection, Engine, Table, create_engine, insert, make_url, select, text

from keepbest.archive import reader
from keepbest.archive.reader import Archive
from keepbest.errors import InvalidInput, NotFound
from tracker import db
from tracker.models import Base
from tracker.store.archives.rows import Values, read_rows
from tracker.store.archives.tables import EVENTS, OF_RUN, RUN

#: Gives the path of an SQLite file that has these tables.
Source = Callable[[Collection[str]], Any]

_ROWS_AT_ONCE = 500
_BY_NAME = {table.name: table for table in OF_RUN}


def open_source(database_url: str, archive: BinaryIO | None) -> Source:
    """Return the source of the rows: an archive, or the database at an address.

    Raises NotFound where there is no such SQLite file, and does not make one.
    """
    if archive is not None:
        checked = reader.check(archive)
        return lambda tables: _copied(tables, lambda conn: _copy_archive(checked, conn, tables))
    address = make_url(database_url)
    if address.get_backend_name() != "sqlite":
        return lambda tables: _copied(tables, lambda conn: _copy_database(database_url, conn, tables))
    path = Path(address.database or "")
    if not path.is_file():
        hint = "KEEPBEST_DIR or KEEPBEST_DATABASE_URL names another one, and --from an archive."
        raise NotFound(f"There is no database {path}.", field="database", hint=hint)
    return lambda tables: _as_it_is(path)


@contextmanager
def _as_it_is(path: Path) -> Iterator[Path]:
    with closing(sqlite3.connect(to_address(path), uri=True)) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.DatabaseError as error:
            raise InvalidInput(f"{path} is no database of keepbest: {error}.", field="database") from None
    db.check_revision(None if row is None else row[0])
    yield path


def to_address(path: Path) -> str:
    """Return the address of an SQLite file by which it can only be read."""
    return f"{path.absolute().as_uri()}?mode=ro"


@contextmanager
def _copied(tables: Collection[str], fill: Callable[[Connection], None]) -> Iterator[Path]:
    """Yield an SQLite file with the tables, filled; it is gone after the block."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "copy.db"
        engine = make_empty(f"sqlite:///{path}", tables)
        try:
            with engine.begin() as conn:
                fill(conn)
        finally:
            engine.dispose()
        yield path


def make_empty(url: str, tables: Collection[str]) -> Engine:
    """Return an SQLite database with these tables, without foreign keys: it has not all that they name."""
    engine = create_engine(url)
    Base.metadata.create_all(engine, [Base.metadata.tables[name] for name in sorted(tables)])
    return engine


def _copy_database(url: str, conn: Connection, tables: Collection[str]) -> None:
    """Copy whole tables out of one state of a database that is only read."""
    engine = db.make_engine(url)
    try:
        db.check_schema(engine)
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as source, source.begin():
            source.execute(text("SET TRANSACTION READ ONLY"))
            for name in sorted(tables):
                table = Base.metadata.tables[name]
                rows = source.execute(select(table).execution_options(yield_per=_ROWS_AT_ONCE))
                _add(conn, table, (row._asdict() for row in rows))
    finally:
        engine.dispose()


def _copy_archive(archive: Archive, conn: Connection, tables: Collection[str]) -> None:
    header = archive.header
    project = {"pk": 1, "name": header.project, "description": "", "created_at": header.made_at, "next_number": 1}
    if "projects" in tables:
        _add(conn, Base.metadata.tables["projects"], iter([project]))
    for pk, run in enumerate(header.runs, start=1):
        fixed: Values = {"run_pk": pk, "project_pk": 1, "pk": pk}
        for name in sorted(set(tables) & _BY_NAME.keys()):
            own = ("pk", "project_pk") if name == RUN.name else ("run_pk", "project_pk")
            known = {key: fixed[key] for key in own}
            known = {"run": run.id, "project": header.project} if name == EVENTS else known
            _add(conn, Base.metadata.tables[name], _read(archive, run.id, name), known)


def _read(archive: Archive, run: str, name: str) -> Iterator[Values]:
    missing = {column.name: None for column in _BY_NAME[name].table.c if column.name in _BY_NAME[name].without}
    for part in archive.parts(f"runs/{run}", name):
        for row in read_rows(_BY_NAME[name], part):
            yield {**_fill(name, missing), **row}


def _fill(name: str, missing: Values) -> Values:
    """Return what an archive leaves out of a row and the table cannot be without."""
    usual = {"location": "", "written_bytes": 0, "is_gone": False, "top_rung": 0, "queue_place": 0.0, "digest": ""}
    return {column: usual.get(column) for column in missing if column != "seq"}


def _add(conn: Connection, table: Table, rows: Iterator[Values], known: Values | None = None) -> None:
    fixed = {name: value for name, value in (known or {}).items() if name in table.c}
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        conn.execute(insert(table), [{**row, **fixed} for row in some])
