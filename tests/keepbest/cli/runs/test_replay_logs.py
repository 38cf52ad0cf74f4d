"""`keepbest replay --tensorboard`: no service, no sign-in, no TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.foreign.tensorboard.writer import EventWriter
from tests.keepbest.cli.conftest import Run as Keepbest

VALUES = [0.9, 0.5, 0.3, 0.4, 0.35, 0.45, 0.5, 0.55, 0.6, 0.7]


def write(folder: Path, tag: str = "epoch_loss", values: list[float] = VALUES, *, at: float = 1000.0) -> None:
    """Write a value a minute."""
    with EventWriter(folder, at=at) as writer:
        for epoch, value in enumerate(values):
            writer.add_scalar(tag, step=epoch, value=value, at=at + 60 * epoch)


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_a_training_of_keras_is_told_where_to_stop(keepbest: Keepbest, tmp_path: Path) -> None:
    write(tmp_path / "fit" / "train", values=[1.0 - epoch / 10 for epoch in range(10)])
    write(tmp_path / "fit" / "validation")
    printed = lines(keepbest("replay", "--tensorboard", str(tmp_path)).out)
    assert printed[0] == (
        "fit: val_loss 0.3 @ 2, 10 validations up to step 9 (min, guessed by its name: --monitor names another)"
    )
    assert printed[2] == "patience(checks=2) best 4 0.3 @ 2 5 (56 %) 5 min 00 s nothing -"
    assert printed[5] == "patience(checks=7) 9 0.3 @ 2 0 (0 %) 0 s nothing -"
    assert printed[6] == "patience(checks=10) would not have stopped it, nor would more patience."
    assert printed[-1] == "keepbest submit … --stop 'patience(checks=2)'"


def test_each_run_is_told_and_json_says_the_same(keepbest: Keepbest, tmp_path: Path) -> None:
    write(tmp_path / "a", "val_loss")
    write(tmp_path / "b", "loss/val", [*VALUES, 0.1])
    write(tmp_path / "c", "weights")
    answer = json.loads(keepbest("replay", "--tensorboard", str(tmp_path), "--stop", "patience(2)", "--json").out)
    told = [(run["name"], run["monitor"], run["mode"], run["is_guessed"], run["best_step"]) for run in answer["runs"]]
    assert told == [("a", "val_loss", "min", True, 2), ("b", "loss/val", "min", True, 10)]
    assert answer["runs"][1]["policies"][0]["value_lost"] == pytest.approx(0.2)
    message = "No name of its metrics tells which one was watched: --monitor says it."
    assert answer["left_out"] == [{"name": "c", "message": message}]
    assert answer["recommended"] == "patience(2)"


def test_a_named_monitor_is_watched(keepbest: Keepbest, tmp_path: Path) -> None:
    write(tmp_path, "weights")
    write(tmp_path / "other", "loss")
    printed = keepbest("replay", "--tensorboard", str(tmp_path), "--monitor", "weights", "--mode", "max", "--stop", "3")
    assert lines(printed.out)[0].endswith("weights 0.9 @ 0, 10 validations up to step 9 (max, as you said)")
    assert lines(printed.err)[0] == "Left out: other. It has no values of weights."


def test_epochs_are_validations_that_count_by_one(keepbest: Keepbest, tmp_path: Path) -> None:
    write(tmp_path, "val_loss")
    printed = keepbest("replay", "--tensorboard", str(tmp_path), "--stop", "3epochs")
    assert lines(printed.out)[2].startswith("3epochs best 5 0.3 @ 2")


def test_what_a_restart_took_back_is_not_counted(keepbest: Keepbest, tmp_path: Path) -> None:
    write(tmp_path, "val_loss", [0.5, 0.4, 0.01, 0.01])
    with EventWriter(tmp_path, at=9000.0) as writer:
        writer.add_start(step=2, at=9000.0)
        for step, value in ((2, 0.3), (3, 0.6), (4, 0.6)):
            writer.add_scalar("val_loss", step=step, value=value, at=9000.0 + step)
    printed = keepbest("replay", "--tensorboard", str(tmp_path), "--stop", "2")
    assert " val_loss 0.3 @ 2, 5 validations up to step 4" in lines(printed.out)[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("some-run",), "--tensorboard replays logs"),
        (("--monitor", "weights"), "Nobody knows which way weights gets better."),
        (("--stop", "nothing(3)"), "nothing"),
    ],
)
def test_what_cannot_be_replayed_says_why(
    keepbest: Keepbest, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    write(tmp_path, "weights")
    printed = keepbest("replay", "--tensorboard", str(tmp_path), *options)
    assert printed.status != Exit.OK
    assert message in printed.err
