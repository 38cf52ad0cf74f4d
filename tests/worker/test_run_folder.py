"""A run's working folder: what is written is read, secrets are private, one agent at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from keepbest.contract.workers import Release
from keepbest.errors import KeepbestError
from keepbest.status import StopReason
from tests.support.assignments import make_job
from tests.support.processes import ROOT
from worker.run_folder import RunFolder

LOCK = """
import sys
from pathlib import Path
from worker.run_folder import RunFolder
print(RunFolder(Path(sys.argv[1])).try_lock())
"""


def locks_elsewhere(path: Path) -> bool:
    done = subprocess.run([sys.executable, "-c", LOCK, path], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.strip() == "True"


def test_the_job_comes_back_with_its_token_and_is_private(tmp_path: Path) -> None:
    folder, job = RunFolder(tmp_path / "run"), make_job(tmp_path)
    folder.create(job)
    assert folder.get_job() == job
    assert folder.get_job().assignment.lease.token == "lease-token"
    assert (folder.path / "job.json").stat().st_mode & 0o777 == 0o600
    assert folder.path.stat().st_mode & 0o777 == 0o700


def test_a_folder_belongs_to_one_process(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(make_job(tmp_path))
    assert not locks_elsewhere(folder.path)
    folder.unlock()
    assert locks_elsewhere(folder.path)


def test_a_folder_that_is_gone_is_not_locked(tmp_path: Path) -> None:
    assert not RunFolder(tmp_path / "gone").try_lock()


def test_an_outcome_is_found_once_it_is_written(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.find_outcome() is None
    outcome = Release(outcome="finished", stop_reason=StopReason.PATIENCE)
    folder.write_outcome(outcome)
    assert folder.find_outcome() == outcome


@pytest.mark.parametrize("content", ["", "{", '{"outcome": "won"}'])
def test_half_an_outcome_is_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "outcome.json").write_text(content)
    assert RunFolder(tmp_path).find_outcome() is None


def test_a_folder_without_a_job_says_so(tmp_path: Path) -> None:
    with pytest.raises(KeepbestError, match="holds no job"):
        RunFolder(tmp_path).get_job()


def test_the_tail_of_the_output(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.read_tail() == ""
    folder.output.write_bytes(b"x" * 100 + "é".encode())
    assert folder.read_tail(4) == "xx" + "é"
