"""Every example in Python on a page of docs runs as it stands, in a script that keeps its run offline."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import keepbest
from tests.support.prepared import PREPARED
from tests.support.processes import ROOT

pytest.importorskip("keras", reason="needs TensorFlow: make install")

#: Asks a tracker: tests/keepbest/test_commands.py and tests/keepbest/client/test_found_runs.py do that.
NEEDS_A_TRACKER = re.compile(r"Client\(\)\.command\(|keepbest\.runs\(")


def examples(page: str) -> list[str]:
    return re.findall(r"(?ms)^```python\n(.*?)^```", (ROOT / page).read_text())


def test_every_page_with_an_example_is_prepared() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    assert {str(path.relative_to(ROOT)) for path in pages if "```python\n" in path.read_text()} == set(PREPARED)


@pytest.mark.parametrize("page", PREPARED)
def test_the_examples_of_a_page_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEEPBEST_DIR", str(tmp_path / "keepbest"))
    monkeypatch.setenv("KEEPBEST_MODE", "offline")
    script: dict[str, Any] = {"__name__": "script"}
    exec(compile(PREPARED[page], "prepared", "exec"), script)  # noqa: S102
    for number, example in enumerate(examples(page), start=1):
        code = compile(example, f"{page} example {number}", "exec")
        if not NEEDS_A_TRACKER.search(example):
            exec(code, script)  # noqa: S102
    end_runs(script)


def end_runs(script: dict[str, Any]) -> None:
    """End what a script would end when its process does: the folder of the test is gone by then."""
    held = [getattr(value, "run", value) for value in script.values()]
    for run in {id(run): run for run in held if isinstance(run, keepbest.Run)}.values():
        run.finish()
