"""Folders of logs as runs: what belongs together, what a script that began anew did, what is left out and why."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from keepbest.errors import InvalidInput, NotFound
from keepbest.foreign.foreign_run import ForeignFile, ForeignRun, Points, Resumption
from keepbest.foreign.tensorboard import event_folder, tally
from keepbest.foreign.tensorboard.log_folder import read_log_folder
from keepbest.foreign.tensorboard.record_file import frame_records
from keepbest.foreign.tensorboard.writer import EventWriter
from keepbest.foreign.wire import write_field
from keepbest.status import RunState
from tests.keepbest.foreign.tensorboard.test_scalars import event, simple, tensor

RECORDED = Path(__file__).parent.parent / "recorded"
Curve = list[tuple[int, float]]


def curves(run: ForeignRun) -> dict[str, Curve]:
    """Return step and value of each metric; values of float32 are rounded."""
    kept: dict[str, Curve] = {}
    for part in run.parts():
        if isinstance(part, Points):
            pairs = zip(part.steps.tolist(), part.values.round(6).tolist(), strict=True)
            kept.setdefault(part.key, []).extend(pairs)
    return kept


def write(folder: Path, tag: str, values: Iterable[tuple[int, float]], *, at: float = 1000.0) -> None:
    """Write a file of a value a second."""
    with EventWriter(folder, at=at) as writer:
        for place, (step, value) in enumerate(values):
            writer.add_scalar(tag, step=step, value=value, at=at + place)


def read(folder: Path) -> dict[str, ForeignRun]:
    return {run.name: run for run in read_log_folder(folder)}


def test_keras_folders_become_one_run() -> None:
    (run,) = read_log_folder(RECORDED / "keras")
    assert (run.kind, run.name, run.monitor, run.mode) == ("tensorboard", "keras", "val_loss", "min")
    assert {key: len(curve) for key, curve in curves(run).items()} == {
        "loss": 4, "accuracy": 4, "learning_rate": 4, "val_loss": 4, "val_accuracy": 4,
        "evaluation_loss_vs_iterations": 4, "evaluation_accuracy_vs_iterations": 4,
    }  # fmt: skip
    assert curves(run)["val_loss"] == [(0, 0.68166), (1, 0.668319), (2, 0.656647), (3, 0.646214)]
    assert run.left_out() == []
    assert run.started_at is not None
    assert run.ended_at is not None
    assert run.ended_at > run.started_at


def test_parts_of_both_folders_come_by_their_clock() -> None:
    (run,) = read_log_folder(RECORDED / "keras")
    order = [part.key for part in run.parts() if isinstance(part, Points) if part.key in ("loss", "val_loss")]
    assert order[0] == "loss"


def test_a_run_of_tensorboardx_comes_whole() -> None:
    (run,) = read_log_folder(RECORDED / "tensorboardx")
    parts = list(run.parts())
    assert run.parameters == {"lr": 0.1, "bsize": 32, "opt": "adam", "flag": True}
    assert run.state is RunState.FINISHED
    assert (run.monitor, run.mode) == ("loss/val", "min")
    assert curves(run)["loss/val"] == [(0, 1.1), (1, 0.6), (2, 0.433333), (2, 0.25)]
    assert curves(run)["hparam/accuracy"] == [(0, 0.9)]
    files = {part.path: part.open().read() for part in parts if isinstance(part, ForeignFile)}
    assert files["text/note/text_summary/00000002.txt"] == b"hi **there**"
    assert files["images/pic/00000002.png"].startswith(b"\x89PNG")
    assert [type(part) for part in parts if not isinstance(part, Points)][-1] is Resumption
    assert run.left_out() == ["1 histograms: they are no artifacts."]


def test_each_folder_of_a_log_folder_is_a_run(tmp_path: Path) -> None:
    write(tmp_path / "a", "loss", [(0, 1.0)])
    write(tmp_path / "b" / "train", "epoch_loss", [(0, 2.0)])
    write(tmp_path / "b" / "validation", "epoch_loss", [(0, 3.0)])
    write(tmp_path / "b" / "deep", "loss", [(0, 4.0)])
    runs = read(tmp_path)
    assert {name: curves(run) for name, run in runs.items()} == {
        "a": {"loss": [(0, 1.0)]},
        "b": {"loss": [(0, 2.0)], "val_loss": [(0, 3.0)]},
        "b/deep": {"loss": [(0, 4.0)]},
    }
    assert {run.project for run in runs.values()} == {tmp_path.name}
    assert runs["b"].source == str(tmp_path / "b")


def test_a_metric_of_two_folders_keeps_both(tmp_path: Path) -> None:
    write(tmp_path / "run", "loss", [(0, 1.0)])
    write(tmp_path / "run" / "train", "epoch_loss", [(0, 2.0)])
    assert curves(read(tmp_path)["run"]) == {"loss": [(0, 1.0)], "train/epoch_loss": [(0, 2.0)]}


def test_a_folder_of_validations_alone_is_a_run(tmp_path: Path) -> None:
    write(tmp_path / "eval", "loss", [(0, 1.0)])
    assert curves(read(tmp_path)["eval"]) == {"loss": [(0, 1.0)]}


@pytest.mark.parametrize(
    ("second", "resumes"),
    [([(3, 9.0), (4, 8.0)], True), ([(5, 9.0), (6, 8.0)], False), ([(4, 9.0)], True)],
)
def test_a_second_file_with_earlier_steps_resumes(
    tmp_path: Path, second: list[tuple[int, float]], resumes: bool
) -> None:
    write(tmp_path, "loss", [(step, 1.0) for step in range(5)])
    write(tmp_path, "loss", second, at=2000.0)
    (run,) = read_log_folder(tmp_path)
    parts = list(run.parts())
    assert [part.at for part in parts if isinstance(part, Resumption)] == [2000.0] * resumes
    assert len(curves(run)["loss"]) == 5 + len(second)


def test_a_start_takes_back_what_was_reported(tmp_path: Path) -> None:
    with EventWriter(tmp_path, at=1.0) as writer:
        for step in range(4):
            writer.add_scalar("loss", step=step, value=step, at=10.0 + step)
        writer.add_start(step=9, at=20.0)  # nothing lies there
        writer.add_start(step=2, at=21.0)
        writer.add_scalar("loss", step=2, value=7, at=22.0)
    (run,) = read_log_folder(tmp_path)
    parts = list(run.parts())
    assert [type(part) for part in parts] == [Points, Resumption, Points]
    assert parts[1] == Resumption(21.0)


def test_folders_are_merged_by_the_clock(tmp_path: Path) -> None:
    write(tmp_path / "train", "epoch_loss", [(step, 0.0) for step in range(50)])
    write(tmp_path / "validation", "epoch_loss", [(step, 1.0) for step in range(50)], at=1000.5)
    (run,) = read_log_folder(tmp_path)
    reached = {"loss": 0.0, "val_loss": 0.0}
    for part in run.parts():
        assert isinstance(part, Points)
        reached[part.key] = float(part.times[-1])
        assert np.all(np.diff(part.times) > 0)
    assert reached == {"loss": 1049.0, "val_loss": 1049.5}


def test_a_run_grows_while_it_is_read(tmp_path: Path) -> None:
    write(tmp_path, "loss", [(0, 1.0)])
    (run,) = read_log_folder(tmp_path)
    write(tmp_path, "loss", [(1, 0.5)], at=2000.0)
    assert curves(run)["loss"] == [(0, 1.0), (1, 0.5)]


def test_a_cut_file_gives_what_is_whole(tmp_path: Path) -> None:
    write(tmp_path, "loss", [(step, 1.0) for step in range(5)])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    (run,) = read_log_folder(tmp_path)
    assert len(curves(run)["loss"]) == 4
    assert run.left_out() == [f"{path}: ends in the middle of an event; 60 bytes are left out."]


def test_hostile_values_are_left_out_by_number(tmp_path: Path) -> None:
    records = [
        event(-1, simple("loss", 1.0)),
        event(2**60, simple("loss", 1.0)),
        event(1, simple("loss", 0.5), at=float("nan")),
        event(2, simple("\0" * 10_000_000, 0.5)),
        event(3, simple("", 0.5)),
        event(4, simple("loss", float("nan")), at=1e300),
        event(5, tensor("h", 2, b"", plugin="histograms"), tensor("p", 1, b"", plugin="pr_curves")),
        b"\xff\xff",
    ]
    (tmp_path / "events.out.tfevents.1").write_bytes(frame_records(records))
    (run,) = read_log_folder(tmp_path)
    parts = [part for part in run.parts() if isinstance(part, Points)]
    assert [len(part.key) for part in parts] == [4, 200, 4]
    assert [(part.steps.tolist(), part.times.tolist()) for part in parts if part.key == "loss"] == [
        ([1], [0.0]),
        ([4], [32_472_143_999.0]),
    ]
    assert run.left_out() == [
        "1 events that cannot be read.",
        "1 histograms: they are no artifacts.",
        "1 tensors for the part pr_curves of TensorBoard.",
        "2 values at steps below 0, or too large.",
        "1 values of metrics without a name, or of too many metrics.",
    ]


def test_metrics_and_files_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "MAX_KEYS", 2)
    monkeypatch.setattr(event_folder, "MAX_FILES", 1)
    with EventWriter(tmp_path, at=1.0) as writer:
        for number in range(3):
            writer.add_scalar(f"m{number}", step=1, value=1.0, at=2.0)
            writer.add_text("note", "x", step=number, at=2.0)
    (run,) = read_log_folder(tmp_path)
    assert sorted(curves(run)) == ["m0", "m1"]
    assert run.left_out() == [
        "2 texts and images beyond 1.",
        "1 values of metrics without a name, or of too many metrics.",
    ]


@pytest.mark.parametrize("tag", ["../../etc/passwd", "a" * 5000, "a\x00b\\c", "/", "a/./b", "..", "né", "C:/x"])
def test_a_tag_never_leads_out_of_a_runs_files(tmp_path: Path, tag: str) -> None:
    with EventWriter(tmp_path, at=1.0) as writer:
        writer.add_text(tag, "x", step=0, at=2.0)
    (run,) = read_log_folder(tmp_path)
    (file,) = run.parts()
    assert isinstance(file, ForeignFile)
    assert file.path.startswith("text/")
    assert file.path.endswith("/00000000.txt")
    assert {"", ".", ".."}.isdisjoint(file.path.split("/"))
    assert len(file.path) < 400


def test_parameters_of_any_kind_are_read(tmp_path: Path) -> None:
    entry = write_field(1, "odd") + write_field(2, write_field(5, b""))
    content = write_field(3, write_field(1, entry))
    metadata = write_field(9, write_field(1, write_field(1, "hparams") + write_field(2, content)))
    bad = write_field(9, write_field(1, write_field(1, "hparams") + write_field(2, b"\xff")))
    with EventWriter(tmp_path, at=1.0) as writer:
        writer.add_session({"lr": 0.5, "n": 3, "flag": False, "none": None}, began=1.0, ended=2.0, good=False)
    (path,) = tmp_path.iterdir()
    with path.open("ab") as file:
        file.write(frame_records([event(0, write_field(1, "_h") + metadata), event(0, write_field(1, "_h") + bad)]))
    (run,) = read_log_folder(tmp_path)
    assert run.parameters == {"lr": 0.5, "n": 3, "flag": False, "none": "", "odd": None}
    assert run.state is RunState.FAILED
    assert run.left_out() == ["1 values that cannot be read."]


def test_a_folder_without_event_files_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds no event files"):
        list(read_log_folder(tmp_path))
    with pytest.raises(NotFound, match="There is no folder"):
        list(read_log_folder(tmp_path / "gone"))
