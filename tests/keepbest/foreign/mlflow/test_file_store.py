"""A file store of MLflow is read as it lies there, and nothing outside of it, however hostile it is."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from keepbest.errors import InvalidInput
from keepbest.foreign.foreign_run import ForeignFile, ForeignRun, Points
from keepbest.foreign.mlflow.file_store import FileStore
from keepbest.status import RunState
from tests.support.mlflow_store import META, write, write_store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of one experiment with one run."""
    return write_store(tmp_path / "mlruns")


def read(folder: Path) -> list[ForeignRun]:
    return list(FileStore(folder).runs())


def test_a_run_is_read_with_all_it_has(store: Path) -> None:
    (run,) = read(store)
    assert (run.kind, run.source, run.name, run.project, run.state) == (
        "mlflow", "a" * 32, "first", "vision/one", RunState.FINISHED
    )  # fmt: skip
    assert (run.parameters, run.tags, run.notes) == ({"lr": "0.1"}, {"team": "red"}, "my notes")
    assert run.started_at is not None
    assert run.started_at.timestamp() == 1_700_000_000
    points, file = run.parts()
    assert isinstance(points, Points)
    assert (points.key, points.steps.tolist(), points.times.tolist()[0]) == ("val_loss", [0, 1, 2], 1_700_000_001.0)
    assert (points.values[0], math.isnan(points.values[1]), points.values[2]) == (0.9, True, -math.inf)
    assert isinstance(file, ForeignFile)
    with file.open() as opened:
        assert (file.path, file.size, opened.read()) == ("plots/a/txt", 5, b"hello")


@pytest.mark.parametrize(
    ("status", "state"), [(3, "finished"), (4, "failed"), (5, "cancelled"), (1, "cancelled"), ("odd", "cancelled")]
)
def test_a_status_becomes_a_state(store: Path, status: object, state: str) -> None:
    write(store / "7" / ("a" * 32), **{"meta.yaml": META.replace("status: 3", f"status: {status}")})
    (run,) = read(store)
    assert (run.state.value, bool(run.message)) == (state, status in (1, "odd"))


def test_lines_that_are_no_values_are_left_out(store: Path) -> None:
    write(store / "7" / ("a" * 32), metrics__val_loss="1 0.5 0\nrubbish\n\n2 0.4\n3 0.3 1 more words\n4 0.2 1e99\n5 0.")
    (run,) = read(store)
    points = [part for part in run.parts() if isinstance(part, Points)]
    assert [value for part in points for value in part.values.tolist()] == [0.5, 0.4, 0.3, 0.2, 0.0]
    assert [step for part in points for step in part.steps.tolist()] == [0, 0, 1, -1, 0]
    assert run.left_out() == ("lines of 'val_loss' that are no value: b'rubbish'",)


def test_a_key_with_slashes_lies_in_folders(store: Path) -> None:
    write(store / "7" / ("a" * 32), metrics__valid__loss="1 0.5 0\n")
    keys = [part.key for part in read(store)[0].parts() if isinstance(part, Points)]
    assert keys == ["val_loss", "valid/loss"]


def test_parents_come_before_their_children(store: Path) -> None:
    for id, parent in (("b" * 32, "c" * 32), ("c" * 32, "a" * 32), ("d" * 32, "d" * 32)):
        files = {"meta.yaml": META.replace("first", id[0]), "tags__mlflow.parentRunId": parent}
        write(store / "7" / id, metrics__x="1 1 0\n", **files)
    runs = {run.name: run.parent for run in read(store)}
    assert list(runs) == ["first", "c", "b", "d"]
    assert runs["b"] == "c" * 32


def test_deleted_runs_and_experiments_are_said(store: Path) -> None:
    write(store / "7" / ("b" * 32), **{"meta.yaml": META.replace("active", "deleted"), "metrics__x": "1 1 0\n"})
    write(store / ".trash" / "8", **{"meta.yaml": "name: old\n"})
    write(store / "models" / "best", **{"meta.yaml": "name: best\n"})
    opened = FileStore(store)
    assert len(list(opened.runs())) == 1
    assert opened.left_out() == [
        f"the run {'b' * 32}: it was deleted in MLflow", "deleted experiments: old", "registered models: best"
    ]  # fmt: skip


def test_no_link_leads_out_of_the_store(store: Path, tmp_path: Path) -> None:
    run = store / "7" / ("a" * 32)
    (tmp_path / "secret").write_text("1 42 0\n")
    for place in ("metrics/x", "artifacts/x", "params/x", "tags/x"):
        (run / place).symlink_to(tmp_path / "secret")
    (run / "artifacts" / "up").symlink_to(tmp_path)
    (store / "9").symlink_to(store / "7")
    (run_read,) = read(store)
    parts = list(run_read.parts())
    assert [part.key for part in parts if isinstance(part, Points)] == ["val_loss"]
    assert [part.path for part in parts if isinstance(part, ForeignFile)] == ["plots/a/txt"]
    assert "x" not in {**run_read.parameters, **run_read.tags}
    assert len([text for text in run_read.left_out() if "link" in text]) == 2  # metrics and artifacts


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nrun_name: *b\n"


@pytest.mark.parametrize("meta", [BOMB, "- a\n", "{{{", "run_name: !!python/object/apply:os.system [ls]", "[" * 5000])
def test_a_hostile_meta_costs_one_run(store: Path, meta: str) -> None:
    write(store / "7" / ("b" * 32), **{"meta.yaml": meta, "metrics__x": "1 1 0\n"})
    opened = FileStore(store)
    assert [run.name for run in opened.runs()] == ["first"]
    assert [text.startswith(f"the run {'b' * 32}: ") for text in opened.left_out()] == [True]


def test_a_huge_parameter_is_not_read(store: Path) -> None:
    write(store / "7" / ("a" * 32), params__huge="x" * (2**17 + 1))
    opened = FileStore(store)
    (run,) = opened.runs()
    assert run.parameters == {"lr": "0.1"}
    assert opened.left_out() == [f"params/huge of run {'a' * 32}: huge has more than 131,072 bytes."]


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(InvalidInput, match="is no file store of MLflow"):
        read(tmp_path)
