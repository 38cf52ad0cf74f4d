"""A History in JSON as a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from keepbest.errors import InvalidInput, NotFound, TooLarge
from keepbest.foreign import history_file
from keepbest.foreign.foreign_run import ForeignRun, Points, Resumption
from keepbest.foreign.history_file import read_history_file


def read(folder: Path, text: str) -> ForeignRun:
    path = folder / "history.json"
    path.write_text(text)
    os.utime(path, (1000.0, 1000.0))
    (run,) = read_history_file(path)
    return run


def show(run: ForeignRun) -> list[object]:
    return [
        (part.key, part.steps.tolist(), part.values.tolist()) if isinstance(part, Points) else part
        for part in run.parts()
    ]


def test_a_history_is_a_run(tmp_path: Path) -> None:
    run = read(tmp_path, '{"loss": [0.9, NaN], "val_loss": [0.8, Infinity]}')
    assert (run.kind, run.name, run.monitor, run.mode) == ("json", "history", "val_loss", "min")
    assert repr(show(run)) == "[('loss', [0, 1], [0.9, nan]), ('val_loss', [0, 1], [0.8, inf])]"
    assert run.left_out() == []


def test_parameters_and_epochs_beside_it_are_taken(tmp_path: Path) -> None:
    run = read(tmp_path, '{"history": {"loss": [3, 2, 1]}, "params": {"epochs": 3, "deep": {}}, "epoch": [4, 5, 6]}')
    assert run.parameters == {"epochs": 3}
    assert show(run) == [("loss", [4, 5, 6], [3.0, 2.0, 1.0])]


def test_epochs_that_begin_again_are_a_segment(tmp_path: Path) -> None:
    run = read(tmp_path, '{"history": {"loss": [3, 2, 1]}, "epoch": [0, 1, 0]}')
    assert show(run) == [("loss", [0, 1], [3.0, 2.0]), Resumption(1000.0), ("loss", [0], [1.0])]


def test_what_is_no_list_of_numbers_is_left_out(tmp_path: Path) -> None:
    huge = "9" * 400
    run = read(
        tmp_path,
        f'{{"loss": [1, 2], "f1": [[1], [2]], "big": [{huge}], "name": "a", "epoch": [0.5, 1], "none": [null]}}',
    )
    assert show(run) == [("loss", [0, 1], [1.0, 2.0])]
    assert run.left_out() == [
        "'f1': not every value is a number.", "'big': not every value is a number.",
        "'none': not every value is a number.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no JSON"),
        ('{"loss": [1, 2', "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ('{"loss": [' + "9" * 5000 + "]}", "is no JSON"),
        ("[1, 2]", "holds no history"),
        ('{"loss": []}', "holds no history"),
        ('{"history": 3, "loss": 4}', "holds no history"),
    ],
)
def test_what_is_no_history_says_so(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read(tmp_path, text)


def test_files_that_are_too_large_or_gone_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_file, "MAX_BYTES", 10)
    with pytest.raises(TooLarge, match="over 10"):
        read(tmp_path, '{"loss": [1, 2]}')
    with pytest.raises(NotFound, match="There is no file"):
        list(read_history_file(tmp_path / "gone.json"))
