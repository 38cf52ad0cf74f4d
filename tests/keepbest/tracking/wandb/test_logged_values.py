"""What `log` takes: numbers of any kind, values beside them, and what stops no training."""

from __future__ import annotations

import decimal
import math
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import keepbest
from keepbest.errors import InvalidInput
from keepbest.tracking.init import init
from keepbest.tracking.run import Run
from keepbest.tracking.wandb.artifact import Artifact
from keepbest.tracking.wandb.keeper import place_of
from keepbest.tracking.wandb.pictures import read_picture
from keepbest.tracking.wandb.warnings import forget_warnings
from tests.support.tiny_tracker import TinyTracker, settings_of


class Hostile:
    """A value whose own code fails, whatever is asked of it."""

    shape = dtype = property(lambda self: 1 / 0)

    def __float__(self) -> float:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.fixture(autouse=True)
def _warns_anew() -> None:
    forget_warnings()


def begin(folder: Path, tracker: TinyTracker, **more: Any) -> Run:
    return init(settings=settings_of(folder, tracker.url), **more)


def test_numbers_of_every_kind_are_metrics(tmp_path: Path, tracker: TinyTracker) -> None:
    numbers = {
        "int": 2, "bool": True, "float32": np.float32(0.5), "int8": np.int8(3), "array": np.ones((1, 1)),
        "nan": math.nan, "decimal": decimal.Decimal("0.25"), "text": "0.75", "huge": 2**63,
    }  # fmt: skip
    with begin(tmp_path, tracker) as run:
        run.log(numbers)
        run.log(numbers)
    known = {key: tracker.points(key)[0][1] for key in numbers if key != "nan"}
    assert known == {
        "int": 2, "bool": 1, "float32": 0.5, "int8": 3, "array": 1, "decimal": 0.25, "text": 0.75, "huge": float(2**63),
    }  # fmt: skip
    assert [step for step, _ in tracker.points("nan")] == [1, 2]


def test_a_row_that_is_not_committed_goes_on(tmp_path: Path, tracker: TinyTracker) -> None:
    with begin(tmp_path, tracker) as run:
        run.log({"a": 1}, commit=False)
        run.log({"b": 2}, commit=False)
        run.log({"c": 3})
        run.log({"a": 4})
        run.log({"a": 5}, step=9, commit=False)
    assert (tracker.points("a"), tracker.points("b"), tracker.points("c")) == (
        [(1, 1), (2, 4), (9, 5)],
        [(1, 2)],
        [(1, 3)],
    )


def test_what_is_no_value_is_left_out(tmp_path: Path, tracker: TinyTracker, caplog: pytest.LogCaptureFixture) -> None:
    broken = [
        Hostile(), object(), [object()], b"bytes", keepbest.Image("none.png"), keepbest.Image([1, 2, 3]),
        keepbest.Image(Hostile()), keepbest.Histogram(["a"]), keepbest.Histogram(np_histogram=([1], [0])),
        keepbest.Table(columns=list(range(2000)), data=[[1]]), keepbest.Video(np.zeros(3)), keepbest.Object3D([1]),
        keepbest.plot.confusion_matrix(y_true=[0], preds=[0, 1]), np.array(["a", "b"]), np.zeros(0),
    ]  # fmt: skip
    with begin(tmp_path, tracker) as run:
        for place, value in enumerate(broken):
            run.log({"loss": place, f"../broken\0{place}\u202e": value})
        run.log({"loss": 99, 3: 4, None: 5, "x" * 500: 6})  # type: ignore[dict-item]
    assert len(tracker.points("loss")) == len(broken) + 1
    assert (
        sum("left out" in record.getMessage() or "not kept" in record.getMessage() for record in caplog.records) >= 12
    )


def test_what_is_no_dict_is_refused(tmp_path: Path, tracker: TinyTracker) -> None:
    with begin(tmp_path, tracker) as run, pytest.raises(InvalidInput, match="A log takes a dict, but got list"):
        run.log([1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "pixel"),
    [
        (np.full((2, 2), 0.5), [128]),
        (np.full((2, 2, 1), 7, np.int64), [7]),
        (np.full((2, 2, 3), -1.0), [0, 0, 0]),
        (np.array([[0.0, 10.0]]), [0]),
        (np.zeros((2, 2, 4), np.uint8), [255, 255, 255]),
        (np.full((3, 2, 2, 3), True), [255, 255, 255]),
        (np.full((2, 2), np.nan), [128]),
    ],
)
def test_pictures_become_bytes(given: Any, pixel: list[int]) -> None:
    pixels = read_picture(given)
    assert isinstance(pixels, np.ndarray)
    assert (str(pixels.dtype), pixels[0, 0].tolist()) == ("uint8", pixel)


def test_pictures_of_other_libraries_are_read() -> None:
    torch = SimpleNamespace(cpu=lambda: SimpleNamespace(numpy=lambda: np.zeros((3, 4, 5), np.uint8)))
    torch.detach = lambda: torch
    pixels = read_picture(torch)
    assert isinstance(pixels, np.ndarray)
    assert pixels.shape == (4, 5, 3)
    figure = SimpleNamespace(savefig=lambda sink, format: sink.write(format.encode()))
    assert (read_picture(figure), read_picture(SimpleNamespace(figure=figure))) == (b"png", b"png")
    assert read_picture("a.png") == Path("a.png")


def test_a_table_is_read_and_written() -> None:
    table = keepbest.Table(data=np.arange(4).reshape(2, 2), columns=["a", "a"])
    table.add_data(5)
    table.add_column("c", [1, 2, 3])
    assert (table.columns, table.get_column("c"), table.data[2]) == (["a", "a", "c"], [1, 2, 3], [5, None, 3])
    assert keepbest.Table(columns=["x"]).get_column("x", convert_to="numpy").shape == (0,)


def test_files_lie_where_they_may(tmp_path: Path, tracker: TinyTracker) -> None:
    assert [place_of(name, ".html") for name in ("", "..", "a/../../b", "\0", "x" * 999)] == [
        "media/media.html", "media/media.html", "media/a/b.html", "media/_.html", f"media/{'x' * 150}.html",
    ]  # fmt: skip
    artifact = Artifact("../../etc")
    artifact.add_file("none.bin")
    artifact.add(keepbest.Table(), "table")
    artifact.add_reference("s3://bucket")
    with begin(tmp_path, tracker) as run:
        assert run.log_artifact(artifact) is artifact
        assert run.save("none*") == run.save() == []
        run.log({"page": keepbest.Html(StringIO("<script>"))})


def test_texts_have_a_limit(tmp_path: Path, tracker: TinyTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keepbest.tracking.recorder.MAX_NOTED", 1000)
    with begin(tmp_path, tracker) as run:
        for _ in range(100):
            run.log({"words": "x" * 90, "nul": "\0\ud800"})
    lines = [line["text"] for line in tracker.said("logs")]
    assert 5 < len(lines) < 20
    assert lines[0] == f"keepbest: step 1: words = {'x' * 90}\n"
    assert len({line["offset"] for line in tracker.said("logs")}) == len(lines)
