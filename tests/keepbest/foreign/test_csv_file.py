"""CSV files as runs: what columns mean, where a training was appended, what is left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from keepbest.errors import InvalidInput, NotFound
from keepbest.foreign.csv_file import read_csv_file
from keepbest.foreign.foreign_run import ForeignRun, Points, Resumption

KERAS = "epoch,accuracy,learning_rate,loss,val_accuracy,val_loss\n0,0.5,0.1,0.9,0.4,0.8\n1,0.6,0.1,0.7,0.5,0.6\n"


def read(folder: Path, text: str | bytes, step: str | None = None, *, name: str = "log.csv") -> ForeignRun:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.utime(path, (1000.0, 1000.0))
    (run,) = read_csv_file(path, step)
    return run


def show(run: ForeignRun) -> list[object]:
    return [
        (part.key, part.steps.tolist(), part.values.tolist()) if isinstance(part, Points) else part
        for part in run.parts()
    ]


def test_a_file_of_keras_is_a_run(tmp_path: Path) -> None:
    run = read(tmp_path, KERAS.replace("\n", "\r\n"))
    assert (run.kind, run.name, run.monitor, run.mode) == ("csv", "log", "val_loss", "min")
    assert run.source == str(tmp_path / "log.csv")
    assert show(run)[0] == ("accuracy", [0, 1], [0.5, 0.6])
    assert show(run)[-1] == ("val_loss", [0, 1], [0.8, 0.6])
    assert run.left_out() == []
    assert next(part.times.tolist() for part in run.parts() if isinstance(part, Points)) == [1000.0, 1000.0]


def test_a_training_that_was_appended_is_a_segment(tmp_path: Path) -> None:
    run = read(tmp_path, "epoch,loss\n0,1\n1,2\nepoch,loss\n0,3\n0,4\n")
    assert show(run) == [
        ("loss", [0, 1], [1.0, 2.0]), Resumption(1000.0), ("loss", [0], [3.0]), Resumption(1000.0),
        ("loss", [0], [4.0]),
    ]  # fmt: skip
    assert run.left_out() == []


def test_rows_of_one_step_belong_together(tmp_path: Path) -> None:
    run = read(tmp_path, "epoch,step,train_loss,val_loss\n0,49,0.5,\n0,49,,0.6\n1,99,0.4,\n1,99,,0.5\n")
    assert show(run) == [
        ("epoch", [49, 99], [0.0, 1.0]),
        ("train_loss", [49, 99], [0.5, 0.4]),
        ("val_loss", [49, 99], [0.6, 0.5]),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "epoch;loss\n0;0,5\n1;0,25\n",
        "epoch\tloss\n0\t0.5\n1\t0.25\n",
        "epoch|loss\n0|0.5\n1|0.25\n",
        "\ufeffepoch,loss\n0,0.5\n1,2.5e-1",
        'epoch,"loss"\n"0","0.5"\n1.0, 0.25 \n',
        "loss,Epoch\n0.5,0\n0.25,1\n",
    ],
)
def test_forms_of_csv_are_told_apart(tmp_path: Path, text: str) -> None:
    assert show(read(tmp_path, text)) == [("loss", [0, 1], [0.5, 0.25])]


def test_the_column_of_steps_can_be_named(tmp_path: Path) -> None:
    assert show(read(tmp_path, "n,loss\n10,1\n20,2\n", "n")) == [("loss", [10, 20], [1.0, 2.0])]


def test_what_tensorboard_lets_download_is_a_run(tmp_path: Path) -> None:
    run = read(tmp_path, "Wall time,Step,Value\n1700000000.5,3,0.5\n", name="run-a-tag-loss.csv")
    (points,) = run.parts()
    assert isinstance(points, Points)
    assert (points.key, points.steps.tolist(), points.times.tolist()) == ("run-a-tag-loss", [3], [1700000000.5])


def test_numbers_that_are_none_are_kept_or_left_out(tmp_path: Path) -> None:
    run = read(tmp_path, "epoch,loss,name\n0,nan,a\n1,-inf,b\n2,NA,\n3,1_0,\n4,1,2,3\nx,1,1\n5.5,1,1\n-1,1,1\n")
    assert repr(show(run)) == "[('loss', [0, 1], [nan, -inf])]"
    assert run.left_out() == [
        "2 values of 'name' that are no numbers.",
        "1 values of 'loss' that are no numbers.",
        "1 lines that have not 3 columns.",
        "3 lines whose step is no whole number.",
    ]


def test_a_monitor_without_values_is_not_guessed(tmp_path: Path) -> None:
    assert read(tmp_path, "epoch,loss,val_loss\n0,0.5,NA\n").monitor is None


def test_a_line_without_end_ends_the_reading(tmp_path: Path) -> None:
    run = read(tmp_path, "epoch,loss\n0,1\n1," + "9" * 200_000 + "\n2,3\n")
    assert show(run) == [("loss", [0], [1.0])]
    assert run.left_out() == ["Line 3 and what follows: field larger than field limit (131072)."]


@pytest.mark.parametrize(
    ("text", "step", "message"),
    [
        ("", None, "has 0 columns"),
        ("a,b\n1,2\n", None, "No column of .* is named as steps are: a, b."),
        ("a,b\n1,2\n", "c", "has no column 'c'"),
        (",".join(f"c{n}" for n in range(10_001)), None, "has 10,001 columns"),
        (b"PK\x03\x04\x00\xff\xfe", None, "No column"),
    ],
)
def test_what_is_no_table_says_so(tmp_path: Path, text: str | bytes, step: str | None, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read(tmp_path, text, step)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no file"):
        list(read_csv_file(tmp_path / "gone.csv"))
