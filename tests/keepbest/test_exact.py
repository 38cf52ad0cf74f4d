"""Exact to the last bit, in every way to train: the matrix of docs/explanation/snapshots.md.

Each row is trained 2n steps without a break. The second n steps must come again, every loss and the last bit of the
state, after a roll back to the state in the middle, and in a new process from its checkpoint; and whatever is
trained or rolled back, the snapshot of the middle stays as it was.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keepbest.checkpoint import Store
from keepbest.snapshots.state import VARIABLES
from tests.support.processes import ROOT, Process, Processes
from tests.support.states import about

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

HOLDS = {"rolled back": True, "isolated": True, "goes on": True, "new process": True}


def test_every_row_is_exact(tmp_path: Path, processes: Processes) -> None:
    """One test, so that only two processes pay for TensorFlow."""
    from tests.support.exact.plateau import PLATEAU
    from tests.support.exact.rows import ROWS

    found, expected, asked = {}, {}, []
    store = Store(tmp_path / "store")
    for name in ROWS:
        found[name], state, expected[name] = hold_in_memory(name)
        asked.append(f"{name}={store.write(state, about()).manifest.id}")
    found[PLATEAU], run, expected[PLATEAU] = hold_callbacks(tmp_path / "store")
    child = processes.with_tensorflow("tests.support.exact.go_on", tmp_path / "store", run, *asked)
    gone_on = found_by(child)
    for name in found:
        found[name]["new process"] = gone_on[name] == expected[name]
    assert found == {**dict.fromkeys(ROWS, HOLDS), PLATEAU: {"goes on": True, "new process": True}}


def hold_in_memory(name: str) -> tuple[dict[str, bool], Any, Any]:
    """Return what holds of a row in this process, the state in the middle, and what must come after it."""
    from keepbest.snapshots.snapshot import roll_back
    from tests.support.exact.rows import bits
    from tests.support.exact.training import Trained

    trained = Trained(name)
    state, expected = trained.train_straight()
    before = bits(value for spec, value in zip(state.specs, state.values, strict=True) if spec.collection in VARIABLES)
    assert trained.bits() != before
    assert len(set(expected["losses"])) > 1
    roll_back(trained.variables, state)
    holds = {"rolled back": trained.bits() == before}
    holds["goes on"] = trained.train_on() == expected
    roll_back(trained.variables, state)
    after = bits(state.values)[: len(before)]  # what lies beside variables comes behind them
    return holds | {"isolated": after == before == trained.bits()}, state, expected


def hold_callbacks(folder: Path) -> tuple[dict[str, bool], str, Any]:
    """Return whether a script with callbacks goes on exactly, its run that is half way, and what must come after."""
    from tests.support.exact.plateau import HALF, Plateau

    straight, half = Plateau(folder), Plateau(folder)
    expected = straight.train(0, 2 * HALF)
    assert len(set(expected["learning_rate"])) > 1
    assert straight.counted["ReduceLROnPlateau"].keys() & {"wait", "cooldown_counter"}  # else nothing could be lost
    straight.keep.roll_back(checkpoint=straight.checkpoint)
    half.train(0, HALF)
    return {"goes on": straight.train(HALF, 2 * HALF) == expected}, half.keep.run.id, expected


def found_by(child: Process) -> dict[str, Any]:
    assert child.wait() == 0, child.output
    (line,) = [line for line in child.output.splitlines() if line.startswith("FOUND ")]
    return dict(json.loads(line.removeprefix("FOUND ")))


def test_the_page_names_every_row() -> None:
    from tests.support.exact.plateau import PLATEAU
    from tests.support.exact.rows import ROWS

    page = (ROOT / "docs/explanation/snapshots.md").read_text()
    matrix = page.partition("## What goes on to the last bit")[2].partition("\n## ")[0]
    assert [name for name in (*ROWS, PLATEAU) if f"| {name} |" not in matrix] == []
