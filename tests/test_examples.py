"""The examples run as they are, a few steps of each: what they restore has the value that was recorded."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.support.processes import ROOT


@pytest.mark.parametrize(
    ("name", "few"), [("keras_script", {"EPOCHS": 4}), ("custom_loop", {"STEPS": 100})], ids=["fit", "loop"]
)
def test_an_example_restores_its_best(
    name: str, few: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable, value in {"KEEPBEST_DIR": str(tmp_path), "KEEPBEST_MODE": "offline"}.items():
        monkeypatch.setenv(variable, value)
    spec = importlib.util.spec_from_file_location(f"examples_{name}", ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    for constant, count in few.items():
        monkeypatch.setattr(example, constant, count)
    example.main()
    told = capsys.readouterr().out.splitlines()
    assert [line.endswith("difference 0.0") for line in told] == [False, True, True]
