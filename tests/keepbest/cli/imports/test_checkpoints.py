"""`keepbest import checkpoints`: the files of a folder become a run with validations."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import Live

pytestmark = pytest.mark.usefixtures("signed_in")


def test_a_folder_becomes_a_run(keepbest: Keepbest, live: Live, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    for name in ("01-0.50.keras", "02-0.25.keras"):
        with zipfile.ZipFile(folder / name, "w") as file:
            file.writestr("config.json", "{}")
    asked = ("import", "checkpoints", folder, "--pattern", "{epoch:02d}-{val_loss:.2f}.keras", "--json")
    (outcome,) = keepbest(*asked).json["runs"]
    assert (outcome["status"], outcome["validations"], outcome["files"]) == ("new", 2, 3)
    assert (outcome["best_step"], outcome["best_value"], outcome["monitor"]) == (2, 0.25, "val_loss")
    with live.client() as client:
        fetched = client.files.find(outcome["run"], "02-0.25.keras")
        assert fetched.size_bytes == (folder / "02-0.25.keras").stat().st_size
    (again,) = keepbest(*asked).json["runs"]
    assert again["status"] == "there"
