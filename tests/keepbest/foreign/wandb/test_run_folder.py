"""W&B's offline folders as runs."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Any

import pytest

from keepbest.errors import InvalidInput, NotFound
from keepbest.foreign.foreign_run import ForeignFile, ForeignRun, Points, Resumption
from keepbest.foreign.wandb import run_folder
from keepbest.foreign.wandb.record_log import write_log
from keepbest.foreign.wandb.run_folder import read_run_folders
from keepbest.foreign.wire import write_field
from keepbest.status import RunState

RECORDED = Path(__file__).parent.parent / "recorded"


def item(key: str, json: str, *, number: int = 1) -> bytes:
    return write_field(number, write_field(2, key) + write_field(16, json))


def history(step: int, at: float = 100.0, /, **values: str) -> bytes:
    items = b"".join(item(key.replace("__", "/"), json) for key, json in {**values, "_timestamp": str(at)}.items())
    return write_field(2, items + write_field(2, write_field(1, step)))


def begin(id: str = "abc", **config: str) -> bytes:
    items = (write_field(1, write_field(1, key) + write_field(16, json)) for key, json in config.items())
    return write_field(17, write_field(1, id) + write_field(3, "digits") + write_field(4, b"".join(items)))


END = write_field(18, write_field(1, 0))


def write(folder: Path, *records: bytes, name: str = "offline-run-20260101_000000-abc") -> Path:
    path = folder / name / "run-abc.wandb"
    path.parent.mkdir(parents=True)
    path.write_bytes(write_log(list(records)))
    return path


def curves(run: ForeignRun) -> dict[str, list[tuple[int, float]]]:
    kept: dict[str, Any] = {}
    for part in run.parts():
        if isinstance(part, Points):
            pairs = zip(part.steps.tolist(), part.values.tolist(), strict=True)
            kept.setdefault(part.key, []).extend(pairs)
    return kept


def test_a_run_of_wandb_comes_whole(tmp_path: Path) -> None:
    shutil.copytree(RECORDED / "wandb", tmp_path / "wandb")
    files = tmp_path / "wandb/offline-run-20261130_201022-abc12345/files"
    (files / "media").mkdir(parents=True)
    (files / "media/a.txt").write_text("hello")
    (files / "passwd").symlink_to("/etc/passwd")
    (run,) = read_run_folders(tmp_path)
    assert (run.kind, run.source, run.name, run.project) == ("wandb", "digits/abc12345", "first", "digits")
    assert run.parameters == {"lr": 0.1, "opt.name": "adam", "opt.betas": "[0.9, 0.999]"}
    assert run.tags == {
        "wandb.id": "abc12345", "wandb.group": "g", "wandb.host": "host", "a": "", "summary.best": "0.25",
        "summary.text": "hello",
    }  # fmt: skip
    assert (run.notes, run.state, run.monitor, run.mode) == ("some notes", RunState.FINISHED, "val/loss", "min")
    assert curves(run)["val/loss"] == [(0, 0.5), (10, 1 / 3), (20, 0.25)]  # over its own axis, which is `epoch`
    assert curves(run)["loss"] == [(0, 1.0), (1, 0.5), (2, 0.3333333432674408)]
    assert curves(run)["late"] == [(10, 1.0)]
    assert repr(curves(run)["deep.nan"][0]) == "(0, nan)"
    assert curves(run)["deep.inf"][0] == (0, float("inf"))
    (file,) = [part for part in run.parts() if isinstance(part, ForeignFile)]
    with file.open() as opened:
        assert (file.path, opened.read()) == ("media/a.txt", b"hello")
    assert run.left_out() == [
        "1 values of the kind histogram: their files are kept, if they have any.",
        "1 values that are neither numbers nor files.",
    ]


def test_folders_of_one_id_are_one_run(tmp_path: Path) -> None:
    write(tmp_path, begin(), *(history(step, loss="1") for step in range(4)))
    later = [history(step, 200.0 + step, loss="0.5") for step in (2, 3)]
    write(tmp_path, begin(), *later, END, name="offline-run-20260102_000000-abc")
    (run,) = read_run_folders(tmp_path)
    parts = [part for part in run.parts() if not isinstance(part, ForeignFile)]
    assert [type(part) for part in parts] == [Points, Resumption, Points]
    assert parts[1] == Resumption(202.0)
    assert curves(run)["loss"] == [(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0), (2, 0.5), (3, 0.5)]


def test_a_run_without_an_end_did_not_finish(tmp_path: Path) -> None:
    path = write(tmp_path, begin(), history(0, loss="1"))
    (run,) = read_run_folders(tmp_path)
    assert run.state is RunState.FAILED
    assert run.left_out() == [f"{path} does not say how the run ended."]


def test_numbers_of_any_form_are_read(tmp_path: Path) -> None:
    typed = write_field(1, write_field(1, "typed") + write_field(6, 0.25))
    whole = write_field(1, write_field(1, "whole") + write_field(5, 7))  # sint64: zigzag
    words = history(0, a="-Infinity", b='"NaN"', c="1e400", d="12_3", e="[1]", f="null", g="true", h="0x1")
    odd = write_field(2, typed + whole + item("_step", "NaN"))
    write(tmp_path, begin(), words, odd, END)
    (run,) = read_run_folders(tmp_path)
    assert {key: curve for key, curve in curves(run).items() if key != "b"} == {
        "a": [(0, float("-inf"))], "c": [(0, float("inf"))], "g": [(0, 1.0)],
        "typed": [(1, 0.25)], "whole": [(1, -4.0)],
    }  # fmt: skip


def test_hostile_records_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "MAX_KEYS", 2)
    deep = "[" * 100_000
    records = [
        begin(deep=deep, ok="1", odd="{", nest='{"a":' * 30 + "1" + "}" * 30),
        b"\xff\xff",
        history(0, 100.0, **{"loss": "1", "k" * 1_000_000: "2"}),
        history(1, loss="0.5", more="1"),
        write_field(2, struct.pack("<q", 2**60)),
        END,
    ]
    write(tmp_path, *records)
    (run,) = read_run_folders(tmp_path)
    assert run.parameters["ok"] == 1
    assert "deep" not in run.parameters
    assert "odd" not in run.parameters
    assert len(run.parameters) == 2
    assert curves(run)["loss"] == [(0, 1.0), (1, 0.5)]
    assert "more" not in curves(run)
    assert "1 values of too many metrics." in run.left_out()
    assert "2 records that cannot be read." in run.left_out()


def test_a_cut_file_gives_what_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path, begin(), *(history(step, loss="1") for step in range(4)), END)
    path.write_bytes(path.read_bytes()[:-20])
    (run,) = read_run_folders(tmp_path)
    assert curves(run)["loss"] == [(0, 1.0), (1, 1.0), (2, 1.0)]
    assert run.left_out()[0] == f"{path}: ends in the middle of a record, which is left out."


def test_a_folder_without_runs_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds no offline run"):
        list(read_run_folders(tmp_path))
    with pytest.raises(NotFound, match="There is no folder"):
        list(read_run_folders(tmp_path / "gone"))
