"""Exact to the last bit: n steps, a checkpoint, a new process, n steps equal 2n steps; and so does a roll back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from keepbest.checkpoint import Store
from keepbest.snapshot import Variables, capture, roll_back
from keepbest.state import Position, State
from tests.support.processes import Processes
from tests.support.states import about

STEPS = 12
NAMES = ("dense", "embedding", "mixed", "averaged")


def straight(name: str) -> tuple[Any, State, dict[str, Any]]:
    """Train 2n steps; return the model, the state in the middle, and the second half's losses and final digest."""
    from tests.support.networks import ROWS, bits, seed_all, train

    seed_all()
    model = ROWS[name]()
    train(model, 0, STEPS)
    state = capture(Variables(model), position=Position(STEPS), stopper={"policy": {}, "seconds": 0.5})
    losses = [loss.hex() for loss in train(model, STEPS, STEPS)]
    return model, state, {"losses": losses, "digest": blake3(b"".join(bits(Variables(model).read()))).hexdigest()}


def test_a_new_process_goes_on_to_the_last_bit(tmp_path: Path, processes: Processes) -> None:
    store, expected, asked = Store(tmp_path / "store"), {}, []
    for name in NAMES:
        _, state, expected[name] = straight(name)
        asked.append(f"{name}={store.write(state, about()).manifest.id}")
    child = processes.python("tests.support.go_on", tmp_path / "store", str(STEPS), *asked)
    assert child.wait(seconds=90) == 0, child.output
    (line,) = [line for line in child.output.splitlines() if line.startswith("FOUND ")]
    assert json.loads(line.removeprefix("FOUND ")) == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_roll_back_goes_on_to_the_last_bit(name: str) -> None:
    from tests.support.networks import bits, train

    model, state, expected = straight(name)
    variables = Variables(model)
    roll_back(variables, state)
    assert [loss.hex() for loss in train(model, STEPS, STEPS)] == expected["losses"]
    assert blake3(b"".join(bits(variables.read()))).hexdigest() == expected["digest"]
