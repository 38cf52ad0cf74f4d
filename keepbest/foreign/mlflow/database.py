"""MLflow's SQLite database, read only and without MLflow."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import numpy as np

from keepbest.errors import InvalidInput
from keepbest.foreign.foreign_run import ForeignFile, ForeignRun, Part, Points
from keepbest.foreign.mlflow.described import Omissions, StoredRun, describe_dataset, make_run, parents_first
from keepbest.foreign.mlflow.folders import open_plain, walk_files

#: Values that are read at once.
_AT_ONCE = 50_000
#: The tables without which a database is none of MLflow's.
_NEEDED = frozenset({"experiments", "runs", "metrics", "params", "tags"})


class Database:
    """The runs of a database. Their files are read only below `artifacts`, or else below the database's own folder."""

    def __init__(self, path: Path, artifacts: Path | None = None) -> None:
        self.path = path
        self._root = (artifacts or path.parent).resolve()
        self._left_out = Omissions()

    def runs(self) -> Iterator[ForeignRun]:
        """Yield the runs, parents first. Raises InvalidInput for a file that is no database of MLflow."""
        try:
            with closing(self._open()) as conn:
                places = dict(conn.execute("SELECT run_uuid, artifact_uri FROM runs"))
                stored = list(self._read_runs(conn))
                self._say_others(conn)
        except sqlite3.Error as error:
            raise InvalidInput(
                f"{self.path} cannot be read as a database of MLflow: {error}.", field="source"
            ) from None
        for run in parents_first(stored):
            yield make_run(run, str(self.path), _DatabaseReader(self, run.id, str(places.get(run.id) or "")).read)

    def left_out(self) -> list[str]:
        """Return what was left out of the database."""
        return self._left_out.texts

    def find_files(self, uri: str, left_out: Omissions) -> Path | None:
        """Return the folder of a run's artifacts; None for one that lies elsewhere, which is said."""
        parts = urlsplit(uri)
        if parts.scheme not in ("", "file"):
            path = self._root / unquote(parts.path).strip("/") if parts.scheme == "mlflow-artifacts" else None
        else:
            path = Path(unquote(parts.path) if parts.scheme else uri)
            path = path if path.is_absolute() else self.path.parent / path
        resolved = None if path is None else path.resolve()
        if resolved is not None and resolved.is_relative_to(self._root):
            return resolved
        left_out.say(f"its files, which lie in {uri[:200]}: --artifacts DIR names a folder that they may be read from")
        return None

    def read_points(self, run: str) -> Iterator[Points]:
        """Yield every value of a run, a metric after the other, in the order in which MLflow tells them."""
        query = (
            "SELECT key, value, timestamp, step, is_nan FROM metrics WHERE run_uuid = ? "
            "ORDER BY key, timestamp, step, rowid"
        )
        try:
            with closing(self._open()) as conn:
                rows = conn.execute(query, (run,))
                while some := rows.fetchmany(_AT_ONCE):
                    yield from _to_points(some)
        except sqlite3.Error as error:
            raise InvalidInput(f"{self.path.name}: {error}.") from None

    def _open(self) -> sqlite3.Connection:
        if not self.path.is_file():
            raise InvalidInput(f"There is no file {self.path}.", field="source")
        conn = sqlite3.connect(f"file:{quote(str(self.path))}?mode=ro", uri=True)
        conn.text_factory = lambda data: data.decode("utf-8", "replace")
        conn.row_factory = None
        known = {name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if lacking := sorted(_NEEDED - known):
            conn.close()
            raise InvalidInput(f"{self.path} is no database of MLflow: it has no table {lacking[0]}.", field="source")
        return conn

    def _read_runs(self, conn: sqlite3.Connection) -> Iterator[StoredRun]:
        experiments = {id: (name, stage) for id, name, stage in conn.execute(_EXPERIMENTS)}
        tags, parameters = _read_pairs(conn, "tags"), _read_pairs(conn, "params")
        used = _read_datasets(conn)
        for id, name, status, started, ended, stage, experiment in conn.execute(_RUNS):
            in_project, its_stage = experiments.get(experiment, (str(experiment), "active"))
            if its_stage != "active":
                self._left_out.say(f"deleted experiments: {in_project}")
            elif stage != "active":
                self._left_out.say(f"the run {id}: it was deleted in MLflow")
            else:
                own, given = tags.get(id, {}), parameters.get(id, {})
                yield StoredRun(id, name or "", in_project, status, started, ended, own, given, used.get(id, ()))

    def _say_others(self, conn: sqlite3.Connection) -> None:
        if _has_table(conn, "registered_models"):
            models = [
                str(name) for (name,) in conn.execute("SELECT name FROM registered_models ORDER BY name LIMIT 100")
            ]
            if models:
                self._left_out.say(f"registered models: {', '.join(models)}")


_EXPERIMENTS = "SELECT experiment_id, name, lifecycle_stage FROM experiments"
_RUNS = "SELECT run_uuid, name, status, start_time, end_time, lifecycle_stage, experiment_id FROM runs"
_DATASETS = (
    "SELECT inputs.destination_id, inputs.input_uuid, datasets.name, datasets.digest, dataset_source_type, "
    "dataset_source, dataset_schema, dataset_profile FROM inputs JOIN datasets ON inputs.source_id = dataset_uuid "
    "WHERE inputs.source_type = 'DATASET' AND inputs.destination_type = 'RUN'"
)


class _DatabaseReader:
    """Reads what one run reported."""

    def __init__(self, database: Database, run: str, uri: str) -> None:
        self._database, self._run, self._uri = database, run, uri

    def read(self, left_out: Omissions) -> Iterator[Part]:
        yield from self._database.read_points(self._run)
        folder = self._database.find_files(self._uri, left_out) if self._uri else None
        if folder is not None:
            for name, path, size in walk_files(folder, left_out.say):
                yield ForeignFile(name, size, lambda path=path: open_plain(path))  # type: ignore[misc]


def _to_points(rows: list[Any]) -> Iterator[Points]:
    starts = [place for place, row in enumerate(rows) if not place or row[0] != rows[place - 1][0]]
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        some = rows[start:end]
        values = np.array([np.nan if row[4] else row[1] for row in some], float)
        is_huge = np.abs(values) >= sys.float_info.max  # as MLflow stores an infinity
        values = np.where(is_huge, np.copysign(np.inf, values), values)
        times = np.array([row[2] for row in some], float) / 1000
        yield Points(str(some[0][0]), np.array([row[3] for row in some], np.int64), values, times)


def _read_pairs(conn: sqlite3.Connection, table: str) -> dict[str, dict[str, str]]:
    pairs: dict[str, dict[str, str]] = {}
    for run, key, value in conn.execute(f"SELECT run_uuid, key, value FROM {table}"):  # noqa: S608 - one of two words
        pairs.setdefault(run, {})[str(key)] = str(value if value is not None else "")
    return pairs


def _read_datasets(conn: sqlite3.Connection) -> dict[str, list[dict[str, Any]]]:
    if not all(_has_table(conn, name) for name in ("datasets", "inputs", "input_tags")):
        return {}
    tags: dict[str, dict[str, str]] = {}
    for input_id, name, value in conn.execute("SELECT input_uuid, name, value FROM input_tags"):
        tags.setdefault(input_id, {})[str(name)] = str(value)
    used: dict[str, list[dict[str, Any]]] = {}
    names = ("name", "digest", "source_type", "source", "schema", "profile")
    for run, input_id, *about in conn.execute(_DATASETS):
        described = describe_dataset(dict(zip(names, about, strict=True)), tags.get(input_id, {}))
        used.setdefault(run, []).append(described)
    return used


def _has_table(conn: sqlite3.Connection, name: str) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return conn.execute(query, (name,)).fetchone() is not None
