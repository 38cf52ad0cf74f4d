"""The examples in the docstrings of what people import: each has one, and it runs as it stands."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import pytest

import keepbest
from keepbest.stopping.registry import POLICIES

pytest.importorskip("keras", reason="needs TensorFlow: make install")

NAMES = ("KeepBest", "Loop", "Run", "Session", "init", "restore")
PUBLIC: dict[str, Any] = {name: getattr(keepbest, name) for name in NAMES}
PUBLIC |= {kind.__name__: kind for kind in POLICIES.values()}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEEPBEST_DIR", str(tmp_path / "keepbest"))
    monkeypatch.setenv("KEEPBEST_MODE", "offline")
    (found,) = doctest.DocTestFinder(recurse=False).find(PUBLIC[name], name, globs={})
    assert found.examples, "an Example: with >>> is missing"
    said: list[str] = []
    assert doctest.DocTestRunner(optionflags=FLAGS).run(found, out=said.append).failed == 0, "".join(said)
