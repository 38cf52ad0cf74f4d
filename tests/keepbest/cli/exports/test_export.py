"""`keepbest export --as csv`: points and runs as tables, against the real tracker."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.client import transport
from keepbest.contract.runs import RecipeSource, RunRequest
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import FakeWorker, Live

pytestmark = pytest.mark.usefixtures("signed_in")


def measure(live: Live, worker: FakeWorker, values: list[float], name: str = "first") -> str:
    with live.client() as client:
        asked = RunRequest(source=RecipeSource(name="hvass-cnn"), name=name, project="digits")
        run = client.submit(asked.model_copy(update={"parameters": {"units": len(values)}})).id
    worker.claim()
    steps = list(range(1, len(values) + 1))
    worker.say(columns=[{"segment": 0, "key": "loss", "steps": steps, "values": values, "times": [1.0] * len(values)}])
    return run


def read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_a_project_becomes_two_tables(keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path) -> None:
    ids = [measure(live, worker, [0.5, 0.25]), measure(live, live.add_worker(name="other"), [1.5], "second")]
    told = keepbest("export", "digits", "--as", "csv", "--to", tmp_path / "out")
    assert told.out.startswith("3 points of 2 runs written to ")
    points, runs = read(tmp_path / "out" / "points.csv"), read(tmp_path / "out" / "runs.csv")
    assert [(row["run"], row["value"]) for row in points] == [(ids[0], "0.5"), (ids[0], "0.25"), (ids[1], "1.5")]
    assert [(row["id"], row["params.units"], row["metrics.loss"]) for row in runs] == [
        (ids[0], "2", "0.25"),
        (ids[1], "1", "1.5"),
    ]


def test_a_run_becomes_one_file(keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path) -> None:
    run = measure(live, worker, [0.5])
    told = keepbest("export", run[:6], "--as", "csv", "--to", tmp_path / "a.csv", "--json").json
    assert told == {"written": [str(tmp_path / "a.csv")], "runs": 1, "points": 1}
    assert [row["run"] for row in read(tmp_path / "a.csv")] == [run]


def test_a_file_that_is_there_stays(keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path) -> None:
    run = measure(live, worker, [0.5])
    (tmp_path / "a.csv").write_text("mine")
    told = keepbest("export", run, "--as", "csv", "--to", tmp_path / "a.csv")
    assert told.status == Exit.USAGE
    assert "is there already" in told.err
    assert (tmp_path / "a.csv").read_text() == "mine"
    assert keepbest("export", run, "--as", "csv", "--to", tmp_path / "a.csv", "--force").status == Exit.OK


def test_nothing_is_written_of_what_is_not_there(keepbest: Keepbest, live: Live, tmp_path: Path) -> None:
    told = keepbest("export", "digits", "--as", "csv", "--to", tmp_path / "out")
    assert told.status != Exit.OK
    assert "There is neither a run nor a project 'digits'." in told.err
    assert not (tmp_path / "out").exists()


def test_an_answer_that_is_cut_off_leaves_no_file(
    keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = measure(live, worker, [0.5, 0.25])
    whole = transport.Transport.open

    def cut(self: transport.Transport, path: str, **query: object) -> transport.Download:
        answer = whole(self, path, **query)  # type: ignore[arg-type]
        text = b"".join(answer.pieces)
        return transport.Download(answer.headers, iter([text[: text.rindex(b"\n", 0, -1) + 1]]))

    monkeypatch.setattr(transport.Transport, "open", cut)
    told = keepbest("export", run, "--as", "csv", "--to", tmp_path / "a.csv")
    assert told.status == Exit.UNREACHABLE
    assert "1 of the 2 points" in told.err
    assert not list(tmp_path.glob(".*.part"))


def test_parquet_has_the_same_points(keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow: make install")
    run = measure(live, worker, [0.1 + 0.2, float("nan"), float("inf"), 1e-300])
    told = keepbest("export", "digits", "--as", "parquet", "--to", tmp_path)
    assert told.out.startswith("4 points of 1 run written")
    points = parquet.read_table(tmp_path / "points.parquet").to_pydict()
    assert [repr(value) for value in points["value"]] == ["0.30000000000000004", "nan", "inf", "1e-300"]
    assert (points["step"], points["epoch"], set(points["run"])) == ([1, 2, 3, 4], [None] * 4, {run})
    (record,) = parquet.read_table(tmp_path / "runs.parquet").to_pylist()
    assert (record["id"], record["params.units"], record["tags"]) == (run, 4, [])
    assert keepbest("export", run, "--as", "parquet", "--to", tmp_path / "a.parquet").status == Exit.OK


def test_without_pyarrow_the_error_says_what_to_do(
    keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = measure(live, worker, [0.5])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    told = keepbest("export", run, "--as", "parquet", "--to", tmp_path / "a.parquet")
    assert told.status == Exit.ERROR
    assert "pip install '.[parquet]'" in told.err
    assert not list(tmp_path.glob("*.parquet"))
