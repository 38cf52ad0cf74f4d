"""The Makefile and the CI script say what they do, and say what is missing."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.environment import clean_environment
from tests.support.processes import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"(?m)^([a-z-]+):", MAKEFILE)
CLOSING_LINES = [
    ("== 5 passed, 2 failed, 1 error in 3.20s ==", "5 passed, 3 failed"),
    (
        "\x1b[32m=== \x1b[1m7 passed\x1b[0m, 1 skipped in 62.31s (0:01:02) ===\n      Tests  12 passed (12)",
        "19 passed, 0 failed",
    ),
    ("  Tests  1 failed | 3 passed (4)", "3 passed, 1 failed"),
    ("it passed: 99 passed through the door", "0 passed, 0 failed"),
]


def make(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in clean_environment(**variables).items() if not name.startswith("MAKE")}
    return subprocess.run(["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)


def ci(program: str) -> subprocess.CompletedProcess[str]:
    """Run a piece of bash with the functions of .ci/run at hand."""
    return subprocess.run(["bash", "-c", f"source .ci/run; {program}"], cwd=ROOT, capture_output=True, text=True)


def test_make_alone_lists_every_target() -> None:
    listed = re.findall(r"(?m)^  make ([a-z-]+) +\S", make().stdout)
    assert sorted(listed) == sorted(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_can_be_made(target: str) -> None:
    done = make("--dry-run", target)
    assert done.returncode == 0, done.stderr


def test_without_a_python_it_says_which_one_to_get(tmp_path: Path) -> None:
    done = make("install", f"VENV={tmp_path}/venv", "PYTHON=")
    assert done.returncode != 0
    assert "needs Python 3.11, 3.12 or 3.13" in done.stderr


def test_only_the_ci_demo_ends_by_itself() -> None:
    assert "keepbest demo --once" in make("--dry-run", "demo", "DEMO_ONCE=1").stdout
    assert "--once" not in make("--dry-run", "demo").stdout


def test_one_file_is_tested_without_the_rest() -> None:
    recipe = make("--dry-run", "test", "FILE=tests/test_docs.py").stdout
    assert "pytest tests/test_docs.py" in recipe
    assert "-n auto" not in recipe
    assert "run test" not in recipe
    assert "-n auto" in make("--dry-run", "test").stdout
    assert "run test" in make("--dry-run", "test").stdout


@pytest.mark.parametrize(("output", "expected"), CLOSING_LINES)
def test_ci_closes_with_the_sum_of_all_runners(output: str, expected: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(f"{output}\n")
    done = ci(f"log={log}; failed_stages=0; report")
    assert done.stdout.splitlines()[-1] == expected
    assert done.returncode == (0 if " 0 failed" in expected else 1)


def test_ci_fails_when_a_stage_fails_without_a_count(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("= 3 passed in 1.00s =\n")
    fake = tmp_path / "make"
    fake.write_text("#!/bin/sh\nexit 2\n")
    fake.chmod(0o755)
    done = ci(f"PATH={tmp_path}:$PATH; log={tmp_path}/log; failed_stages=0; stage lint 10; report")
    assert "make lint failed with status 2" in done.stdout
    assert done.stdout.splitlines()[-1] == "3 passed, 1 failed"
    assert done.returncode == 1
