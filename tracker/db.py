"""Access to the database: engines, transactions, the schema's revision, and errors in our own words.

A request opens one transaction with `read` or `write`. Store functions take its `Connection` and never commit.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, inspect, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError

from keepbest.errors import Busy, Conflict, InvalidInput, KeepbestError, SchemaMismatch
from keepbest.figures import figure
from tracker.settings import TrackerSettings

__all__ = [  # Connection and Engine too: other modules name these types without an import of SQLAlchemy
    "Connection",
    "Engine",
    "check_models",
    "check_revision",
    "check_schema",
    "downgrade",
    "insert",
    "make_engine",
    "make_revision",
    "read",
    "schema_revision",
    "upgrade",
    "write",
]

#: The newest revision in migrations/versions (a test compares), so that a start needs no Alembic.
REVISION = "0030"
MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"
UPGRADE_COMMAND = "python -m tracker.db upgrade"

_WRITE = "keepbest_write"
_LOCK = "keepbest_write_lock"


def make_engine(url: str, *, connections: int = 20, busy_seconds: float = 15.0) -> Engine:
    """Return the engine for `url`; for SQLite, make the folder of its file (mode 0700)."""
    try:
        address = make_url(url)
        if address.get_backend_name() == "sqlite":
            return _make_sqlite(url, busy_seconds)
        if address.get_backend_name() == "postgresql":
            return _make_postgres(url, connections, busy_seconds)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise _bad_url(str(error)) from None
    raise _bad_url(f"{address.get_backend_name()!r} is neither")


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that reads one consistent state; on SQLite it waits for no writer."""
    with _in_our_words(engine), engine.connect() as conn, conn.begin():
        yield conn


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that writes: durable once the block has ended, undone where the block raises.

    SQLite has one writer at a time. Threads of this process queue on a lock, which is fair and wakes the next thread
    at once; SQLite's own waiting (sleep and try again) is only for other processes.
    """
    with _in_our_words(engine), _turn(engine), engine.connect() as conn:
        conn = conn.execution_options(**{_WRITE: True})
        with conn.begin():
            yield conn


def insert(database: Connection | str, table: Any) -> Any:
    """Return the dialect's INSERT, which has `on_conflict_do_nothing` and `on_conflict_do_update`.

    `database` is a connection, or the dialect's name for a statement that is built once and kept.
    """
    dialect = database if isinstance(database, str) else database.dialect.name
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the schema to `revision` with Alembic; safe to run from several processes at once."""
    _alembic("upgrade", url, revision)


def downgrade(url: str, revision: str) -> None:
    """Take the schema back to `revision`; `base` drops every table."""
    _alembic("downgrade", url, revision)


def check_models(url: str) -> None:
    """Raise Alembic's error when `tracker.models` and the migrations differ."""
    _alembic("check", url)


def make_revision(url: str, message: str) -> None:
    """Write a new revision with the differences between `tracker.models` and the database at `url`. For developers."""
    _alembic("revision", url, message=message, autogenerate=True, rev_id=f"{int(REVISION) + 1:04}")


def schema_revision(conn: Connection) -> str | None:
    """Return the schema's revision, or None for an empty database."""
    if not inspect(conn).has_table("alembic_version"):
        return None
    return conn.execute(text("SELECT version_num FROM alembic_version")).scalar()


def check_schema(engine: Engine) -> None:
    """Raise SchemaMismatch, with the command to run, unless the database has the schema of this code."""
    with read(engine) as conn:
        check_revision(schema_revision(conn))


def check_revision(revision: str | None) -> None:
    """Raise SchemaMismatch, with the command to run, unless this is the schema of this code."""
    if revision == REVISION:
        return
    if revision is None:
        raise SchemaMismatch("The database holds no keepbest schema.", hint=f"Run `{UPGRADE_COMMAND}`.")
    if revision in _known_revisions():
        raise SchemaMismatch(
            f"The database has schema {revision}; this keepbest needs {REVISION}.",
            hint=f"Back up the database, then run `{UPGRADE_COMMAND}`.",
        )
    raise SchemaMismatch(
        f"The database has schema {revision}, which this keepbest (schema {REVISION}) does not know.",
        hint="A newer keepbest made it: install that version.",
    )


def _make_sqlite(url: str, busy_seconds: float) -> Engine:
    address = make_url(url)
    if address.database and address.database != ":memory:":
        Path(address.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = create_engine(
        url,
        connect_args={"timeout": busy_seconds},
        pool_size=5,
        max_overflow=-1,
        json_serializer=_encode,
        json_deserializer=from_json,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    lock = threading.Lock()
    return engine.execution_options(**{_LOCK: (lock, busy_seconds)})


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.create_function("lower", 1, _lower, deterministic=True)
    connection.isolation_level = None  # `_begin_sqlite` sends BEGIN: the driver's own comes too late for IMMEDIATE
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-16000"):
        connection.execute(f"PRAGMA {pragma}")


def _lower(value: Any) -> Any:
    """As Postgres has it, of all letters: SQLite's own knows those of ASCII."""
    return value.lower() if isinstance(value, str) else value


def _begin_sqlite(conn: Connection) -> None:
    # A plain BEGIN that writes only later cannot wait for its turn: SQLite refuses that write at once.
    conn.exec_driver_sql("BEGIN IMMEDIATE" if conn.get_execution_options().get(_WRITE) else "BEGIN")


def _make_postgres(url: str, connections: int, busy_seconds: float) -> Engine:
    milliseconds = int(busy_seconds * 1000)
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=busy_seconds,
        pool_pre_ping=True,
        json_serializer=_encode,
        json_deserializer=from_json,
        connect_args={
            "application_name": "keepbest",
            "options": f"-c lock_timeout={milliseconds} -c idle_in_transaction_session_timeout=60000 -c timezone=UTC",
        },
    )


def _encode(document: Any) -> str:
    """Return JSON that both databases store: NaN and infinities by name, as in the API."""
    try:
        return json.dumps(document, allow_nan=False)
    except ValueError:
        return json.dumps(_name_non_finite(document), allow_nan=False)


def _name_non_finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _name_non_finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_name_non_finite(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    lock, seconds = engine.get_execution_options().get(_LOCK, (None, 0.0))
    if lock is None:
        yield
        return
    if not lock.acquire(timeout=seconds):
        raise Busy(f"The database was busy for {figure(seconds)} s.", hint="Try again; nothing was written.")
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _in_our_words(engine: Engine) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise Conflict("Another change was written at the same moment.", hint="Try again.") from error
    except DBAPIError as error:
        raise _explain(engine, error) from error


def _explain(engine: Engine, error: DBAPIError) -> KeepbestError:
    """Return our error for the driver's. The driver's text goes to the log (as the cause), never to a client."""
    text = str(error.orig).lower()
    for words, message, hint in _FAULTS:
        if any(word in text for word in words):
            return Busy(message, hint=hint)
    if error.connection_invalidated or type(error.orig).__name__ == "OperationalError":
        return Busy("The database does not answer.", hint="Check that it runs; acknowledged data is kept.")
    return KeepbestError(f"The {engine.dialect.name} database refused a statement.", hint="See the tracker's log.")


#: Words of drivers' messages (in lower case), with our message and hint.
_FAULTS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("is locked", "lock timeout", "lock_not_available"), "The database is busy.", "Try again; nothing was written."),
    (("deadlock", "could not serialize"), "Two changes blocked each other.", "Try again; nothing was written."),
    (
        ("disk is full", "no space left", "disk full"),
        "The disk of the tracker's database is full.",
        "Free some space; acknowledged data is safe, and clients send the rest again.",
    ),
    (
        ("readonly database", "read-only", "disk i/o error", "unable to open database"),
        "The tracker's database cannot be written.",
        "Check the folder's owner and its disk; clients keep their data and send it again.",
    ),
)


def _bad_url(why: str) -> InvalidInput:
    return InvalidInput(
        f"The database address cannot be used: {why}.",
        field="database_url",
        hint="sqlite:////folder/tracker.db, or postgresql+psycopg://user@host/database with the extra `postgres`.",
    )


def _alembic(verb: str, url: str, *arguments: str, **options: Any) -> None:
    from alembic import command  # heavy, and only needed to change a schema
    from alembic.config import Config

    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    pooled = make_engine(url)
    engine = create_engine(url, poolclass=NullPool) if pooled.dialect.name == "postgresql" else pooled
    try:
        with _in_our_words(engine), engine.connect() as conn:
            config.attributes["connection"] = conn
            getattr(command, verb)(config, *arguments, **options)
    finally:
        engine.dispose()


def _known_revisions() -> set[str]:
    return {path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")}


def main(arguments: list[str] | None = None) -> int:
    """Run `python -m tracker.db upgrade|check|revision`, on the database that the settings name."""
    parser = argparse.ArgumentParser(prog="python -m tracker.db", description="Make or check the database's schema.")
    parser.add_argument("verb", choices=["upgrade", "check", "revision"])
    parser.add_argument("message", nargs="?", default="Change the schema", help="of a new revision")
    given = parser.parse_args(arguments)
    try:
        url = TrackerSettings.load().database_url
        if given.verb == "upgrade":
            upgrade(url)
        check_schema(make_engine(url))
        if given.verb == "revision":
            make_revision(url, given.message)
    except KeepbestError as error:
        sys.stderr.write(f"{error.message}\n{error.hint or ''}\n")
        return 1
    sys.stdout.write(f"The database has schema {REVISION}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
