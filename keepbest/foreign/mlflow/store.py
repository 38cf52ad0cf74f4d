"""Opens what MLflow left by its address: a folder, `sqlite:///mlflow.db`, or `http://…`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from keepbest.errors import InvalidInput
from keepbest.foreign.foreign_run import ForeignRun
from keepbest.foreign.mlflow.database import Database
from keepbest.foreign.mlflow.file_store import FileStore
from keepbest.foreign.mlflow.server import Server


class MlflowStore(Protocol):
    """A store of MLflow: its runs, and after these were read what was left out of the store."""

    def runs(self) -> Iterator[ForeignRun]: ...
    def left_out(self) -> list[str]: ...


def open_store(source: str, *, artifacts: Path | None = None, token: str = "") -> MlflowStore:
    """Return the store at an address.

    Args:
        source: A folder such as `mlruns/`, `file:///…/mlruns`, `sqlite:///mlflow.db` or a database's path, or `http://…`.
        artifacts: Where the files of a database's runs may be read from, if not from the database's own folder.
        token: Sent to a server.

    Raises InvalidInput for an address of another kind.
    """
    scheme, there, rest = source.partition("://")
    if there and scheme in ("http", "https"):
        return Server(source, token)
    if there and scheme.partition("+")[0] == "sqlite":
        return Database(Path(rest.partition("?")[0].removeprefix("/")), artifacts)
    if there and scheme != "file":
        hint = "Of another database, name the server that uses it: http://…"
        raise InvalidInput(f"{scheme}:// is no store that can be read directly.", field="source", hint=hint)
    path = Path(rest if there else source)
    if not path.exists():
        raise InvalidInput(f"There is nothing at {path}.", field="source")
    return FileStore(path) if path.is_dir() else Database(path, artifacts)
