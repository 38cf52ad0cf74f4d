"""A database of MLflow is read only, with the standard library, and its files only below the folder that it lies in."""

from __future__ import annotations

import math
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from keepbest.errors import InvalidInput
from keepbest.foreign.foreign_run import ForeignFile, Points
from keepbest.foreign.mlflow.database import Database
from keepbest.foreign.mlflow.store import open_store

TABLES = """
CREATE TABLE experiments (experiment_id INTEGER, name TEXT, lifecycle_stage TEXT);
CREATE TABLE runs (run_uuid TEXT, name TEXT, status TEXT, start_time INT, end_time INT, lifecycle_stage TEXT,
  artifact_uri TEXT, experiment_id INTEGER);
CREATE TABLE metrics (key TEXT, value FLOAT, timestamp INT, run_uuid TEXT, step INT, is_nan BOOLEAN);
CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE registered_models (name TEXT);
"""
RUN = ("r1", "first", "FAILED", 1_700_000_000_000, None, "active", "runs/r1/artifacts", 1)


def make(path: Path, runs: Sequence[tuple[Any, ...]] = (RUN,), metrics: Sequence[tuple[Any, ...]] = ()) -> Path:
    conn = sqlite3.connect(path)
    conn.executescript(TABLES)
    conn.execute("INSERT INTO experiments VALUES (1, 'vision', 'active'), (2, 'old', 'deleted')")
    conn.executemany("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", runs)
    conn.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", metrics)
    conn.execute("INSERT INTO params VALUES ('lr', '0.1', 'r1')")
    conn.execute("INSERT INTO tags VALUES ('team', 'red', 'r1')")
    conn.execute("INSERT INTO registered_models VALUES ('best')")
    conn.commit()
    conn.close()
    return path


def test_a_run_is_read_with_its_history(tmp_path: Path) -> None:
    values = [("b", 2.0, 20, "r1", 1, 0), ("a", 1.0, 10, "r1", 0, 0), ("b", 0.0, 10, "r1", 0, 1)]
    values.append(("b", -sys.float_info.max, 30, "r1", 2, 0))
    path = make(tmp_path / "mlflow.db", metrics=values)
    before = path.read_bytes()
    (run,) = Database(path).runs()
    assert (run.source, run.name, run.project, run.state.value) == ("r1", "first", "vision", "failed")
    assert (run.parameters, run.tags) == ({"lr": "0.1"}, {"team": "red"})
    first, second = [part for part in run.parts() if isinstance(part, Points)]
    assert (first.key, first.values.tolist(), second.key) == ("a", [1.0], "b")
    assert (second.steps.tolist(), second.times.tolist()) == ([0, 1, 2], [0.01, 0.02, 0.03])
    assert math.isnan(second.values[0])
    assert second.values[2] == -math.inf
    assert path.read_bytes() == before


def test_what_was_deleted_is_said(tmp_path: Path) -> None:
    runs = [RUN, ("r2", "x", "FINISHED", 1, 2, "deleted", "", 1), ("r3", "y", "FINISHED", 1, 2, "active", "", 2)]
    database = Database(make(tmp_path / "mlflow.db", runs))
    assert [run.source for run in database.runs()] == ["r1"]
    assert database.left_out() == [
        "the run r2: it was deleted in MLflow", "deleted experiments: old", "registered models: best"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("uri", "is_read"),
    [
        ("runs/r1/artifacts", True),
        ("{here}/runs/r1/artifacts", True),
        ("file://{here}/runs/r1/artifacts", True),
        ("mlflow-artifacts:/runs/r1/artifacts", True),
        ("{here}/../outside", False),
        ("file:///etc", False),
        ("s3://bucket/x", False),
        ("mlflow-artifacts:/../outside", False),
    ],
)
def test_files_are_read_below_the_folder_only(tmp_path: Path, uri: str, is_read: bool) -> None:
    here = tmp_path / "store"
    for folder in (here / "runs" / "r1" / "artifacts", tmp_path / "outside"):
        folder.mkdir(parents=True)
        (folder / "a.txt").write_text("hello")
    row = (*RUN[:6], uri.replace("{here}", str(here)), 1)
    (run,) = Database(make(here / "mlflow.db", [row])).runs()
    files = [part.path for part in run.parts() if isinstance(part, ForeignFile)]
    assert (files, bool(run.left_out())) == (["a.txt"] if is_read else [], not is_read)


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + b"\xff" * 5000, b"no database" * 100])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mlflow.db").write_bytes(content)
    with pytest.raises(InvalidInput, match="database of MLflow"):
        list(Database(tmp_path / "mlflow.db").runs())


def test_an_address_says_which_store(tmp_path: Path) -> None:
    path = make(tmp_path / "mlflow.db")
    for source in (f"sqlite:///{path}", str(path), f"file://{path}"):
        assert [run.source for run in open_store(source).runs()] == ["r1"]
    for source in ("postgresql://host/db", "sqlite:///missing.db", str(tmp_path / "nothing"), "http://"):
        with pytest.raises(InvalidInput):
            list(open_store(source).runs())
