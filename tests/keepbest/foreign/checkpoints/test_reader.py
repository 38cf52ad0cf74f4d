"""A folder of ModelCheckpoint is one run: names say epoch and value, torn files are none, a log says it better."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from keepbest.errors import InvalidInput
from keepbest.foreign.checkpoints.pattern import NamePattern
from keepbest.foreign.checkpoints.reader import read_checkpoints
from keepbest.foreign.foreign_run import ForeignFile, ForeignRun, Points

PATTERN = "{epoch:02d}-{val_loss:.2f}.keras"
FIRST = 1_700_000_000


def write_keras(folder: Path, *names: str) -> Path:
    """Write zip files, a second after one another."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        with zipfile.ZipFile(folder / name, "w") as file:
            file.writestr("config.json", "{}")
        os.utime(folder / name, (FIRST + number, FIRST + number))
    return folder


def points(run: ForeignRun) -> dict[str, tuple[list[int], list[float]]]:
    return {part.key: (part.steps.tolist(), part.values.tolist()) for part in run.parts() if isinstance(part, Points)}


def files(run: ForeignRun) -> dict[str, bytes]:
    read = {}
    for part in run.parts():
        if isinstance(part, ForeignFile):
            with part.open() as file:
                read[part.path] = file.read()
    return read


def test_names_say_epoch_and_value(tmp_path: Path) -> None:
    folder = write_keras(tmp_path / "kept", "01-0.50.keras", "02-0.25.keras", "10-0.30.keras", "other.keras")
    run = read_checkpoints(folder, PATTERN)
    assert points(run) == {"val_loss": ([1, 2, 10], [0.5, 0.25, 0.3])}
    assert run.tags == {"checkpoint.best": "02-0.25.keras", "checkpoint.last": "10-0.30.keras"}
    assert sorted(files(run)) == ["01-0.50.keras", "02-0.25.keras", "10-0.30.keras", "checkpoints.csv"]
    assert files(run)["checkpoints.csv"].decode().splitlines()[:2] == [
        "checkpoint,epoch,val_loss",
        "01-0.50.keras,1,0.5",
    ]
    (part,) = (part for part in run.parts() if isinstance(part, Points))
    assert part.times.tolist() == [FIRST, FIRST + 1, FIRST + 2]


def test_a_log_has_every_epoch(tmp_path: Path) -> None:
    folder = write_keras(tmp_path / "kept", "02-0.25.keras")
    log = tmp_path / "log.csv"
    log.write_text("epoch,loss,val_loss\n0,0.9,0.51\n1,0.8,0.2549\nrubbish,1,1\n2,nan,0.3\n")
    run = read_checkpoints(folder, PATTERN, log)
    assert points(run)["val_loss"] == ([1, 2, 3], [0.51, 0.2549, 0.3])
    assert files(run)["checkpoints.csv"].decode().splitlines()[1] == "02-0.25.keras,2,0.8,0.2549"
    assert "a line of log.csv without an epoch" in run.left_out()


def test_torn_files_are_no_checkpoints(tmp_path: Path) -> None:
    folder = write_keras(tmp_path, "01-0.50.keras", "02-0.25.keras")
    whole = (folder / "02-0.25.keras").read_bytes()
    (folder / "02-0.25.keras").write_bytes(whole[: len(whole) // 2])
    run = read_checkpoints(folder, PATTERN)
    assert points(run)["val_loss"][0] == [1]
    assert run.left_out()[0] == "02-0.25.keras: it is cut off, or no zip file"


@pytest.mark.parametrize(("size", "is_whole"), [(100, True), (99, False)])
def test_hdf5_says_its_own_length(tmp_path: Path, size: int, is_whole: bool) -> None:
    head = b"\x89HDF\r\n\x1a\n" + bytes([2, 8, 8, 0]) + bytes(16) + (100).to_bytes(8, "little")
    (tmp_path / "1.weights.h5").write_bytes(head.ljust(size, b"\0"))
    if is_whole:
        assert points(read_checkpoints(tmp_path, "{epoch}.weights.h5")) == {}
    else:
        with pytest.raises(InvalidInput, match="no whole checkpoint"):
            read_checkpoints(tmp_path, "{epoch}.weights.h5")


def test_a_pair_of_tensorflow_is_whole_or_torn(tmp_path: Path) -> None:
    for name in ("cp-1.index", "cp-1.data-00000-of-00001", "cp-2.index", "cp-3.data-00000-of-00002", "cp-3.index"):
        (tmp_path / name).write_bytes(b"x")
    run = read_checkpoints(tmp_path, "cp-{epoch}")
    assert [name for name in files(run) if name.startswith("cp")] == ["cp-1.data-00000-of-00001", "cp-1.index"]
    told = "\n".join(run.left_out())
    assert "cp-2: a torn checkpoint, cp-2.data-00000-of-00001 is missing or empty" in told
    assert "cp-3: a torn checkpoint, cp-3.data-00001-of-00002 is missing or empty" in told


def test_links_are_not_followed(tmp_path: Path) -> None:
    write_keras(tmp_path / "elsewhere", "02-0.10.keras")
    folder = write_keras(tmp_path / "kept", "01-0.50.keras")
    (folder / "02-0.10.keras").symlink_to(tmp_path / "elsewhere" / "02-0.10.keras")
    assert points(read_checkpoints(folder, PATTERN))["val_loss"][0] == [1]


@pytest.mark.parametrize("pattern", ["{val_loss}.keras", "{epoch}-{epoch}", "{epoch", "{}", "x" * 600 + "{epoch}"])
def test_a_wrong_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput, match=r"attern"):
        NamePattern(pattern)


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "\0\0\0"])
def test_a_log_without_epochs_is_refused(tmp_path: Path, content: str) -> None:
    folder = write_keras(tmp_path / "kept", "01-0.50.keras")
    (tmp_path / "log.csv").write_text(content)
    with pytest.raises(InvalidInput, match=r"has no column epoch|cannot be read"):
        read_checkpoints(folder, PATTERN, tmp_path / "log.csv")
