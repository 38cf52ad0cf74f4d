"""`keepbest reproduce`, and the folder that it writes run again: the same validations, bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from keepbest.contract.runs import Run
from keepbest.status import RunState
from tests.support.need import need_tensorflow
from tests.support.service import Service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SCRIPT = """
import random, sys
import keepbest
random.seed(int(sys.argv[1]))
with keepbest.init(monitor="val_loss", mode="min") as run:
    for step in range(1, 6):
        run.log({"loss": random.random()}, step=step)
        run.report_validation(step, RATE * random.random())
"""


def run_command(service: Service, folder: Path, *words: object) -> str:
    """Run a command of a user of the service, with this interpreter's programs first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    given = {"KEEPBEST_URL": service.client.url, "KEEPBEST_TOKEN": service.token, "KEEPBEST_PROVENANCE": "all"}
    environ = {**os.environ, **given, "PATH": path, "KEEPBEST_DIR": str(folder / "home")}
    ended = subprocess.run([str(word) for word in words], cwd=folder, env=environ, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def newest(service: Service) -> Run:
    (run,) = service.client.runs(limit=1).runs
    return service.client.run(run.id)


def list_validations(service: Service, run: str) -> list[tuple[Any, ...]]:
    return [(one.step, one.value, one.metrics) for one in service.client.validations(run, limit=1000).validations]


def test_a_script_with_changes_is_reproduced_bit_for_bit(service: Service, tmp_path: Path) -> None:
    code = tmp_path / "their code"
    code.mkdir()
    (code / "train.py").write_text(f"RATE = 1.0{SCRIPT}")
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for words in (["init"], ["add", "."], [*who, "commit", "-m", "begin"]):
        subprocess.run(["git", *words], cwd=code, check=True, capture_output=True)
    (code / "train.py").write_text(f"RATE = 0.5{SCRIPT}")
    run_command(service, code, "python", "train.py", 3)
    first = newest(service)
    told = run_command(service, tmp_path, "keepbest", "reproduce", first.id, "--to", "again")
    assert "missing: The data" in told
    (code / "train.py").unlink()
    run_command(service, tmp_path, "sh", "again/reproduce.sh")
    second = newest(service)
    assert (second.id != first.id, second.tags) == (True, [f"reproduces={first.id}"])
    assert list_validations(service, second.id) == list_validations(service, first.id) != []


def test_a_recipe_is_reproduced_bit_for_bit(service: Service, tmp_path: Path) -> None:
    need_tensorflow()
    service.start_worker(KEEPBEST_PROVENANCE="all")
    asked = {"source": {"kind": "recipe", "name": "softmax-beginners"}, "data": "digits", "max_steps": 30, "seed": 5}
    first = service.wait_for(service.submit(**asked, validate_every=10))
    assert (first.state, first.resume) == (RunState.FINISHED, "exact")
    run_command(service, tmp_path, "keepbest", "reproduce", first.id, "--to", "again")
    run_command(service, tmp_path, "sh", "again/reproduce.sh")
    second = service.wait_for(newest(service).id)
    assert second.id != first.id
    assert list_validations(service, second.id) == list_validations(service, first.id) != []
    assert "tensorflow" in (tmp_path / "again" / "requirements.txt").read_text()
