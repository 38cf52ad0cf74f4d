"""A lock that one process of a database holds at a time, and that ends with the process.

On Postgres it is an advisory lock on a connection of its own, on SQLite a lock on a file beside the database.
"""

from __future__ import annotations

import fcntl
from contextlib import suppress
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from keepbest.errors import Busy

#: Any number that nobody else uses.
_KEY = 7_766_000_001


class SchedulerLock:
    """The right to be this database's one scheduler, held until `release` or the end of the process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._file: IO[str] | None = None

    def take(self) -> bool:
        """Try to get the lock; False where another process holds it. Raises Busy where the database does not answer."""
        return self._take_postgres() if self._engine.dialect.name == "postgresql" else self._take_file()

    def is_kept(self) -> bool:
        """Whether this process still holds the lock: on Postgres it ends with the connection."""
        if self._connection is None:
            return self._file is not None
        try:
            held = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
            return bool(self._connection.execute(held).scalar_one())
        except SQLAlchemyError:
            return False

    def release(self) -> None:
        if self._connection is not None:
            # Unlock explicitly: the server notices a closed connection only a moment later.
            with suppress(SQLAlchemyError):
                self._connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _KEY})
            self._connection.invalidate()
            self._connection.close()
        if self._file is not None:
            self._file.close()
        self._connection = self._file = None

    def _take_postgres(self) -> bool:
        try:
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _KEY}).scalar_one():
                self._connection = connection
                return True
            connection.close()
        except SQLAlchemyError as error:
            raise Busy("The database does not answer.", hint="Check that it runs.") from error
        return False

    def _take_file(self) -> bool:
        file = Path(f"{self._engine.url.database}.scheduler-lock").open("w")  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        return True
