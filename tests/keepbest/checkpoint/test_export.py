"""Formats for other programs: each is read back by the library it is meant for, where keepbest is not installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.checkpoint import FORMATS, Store, export, restore
from keepbest.errors import CheckpointMismatch, InvalidInput, NotFound
from tests.support.processes import PATIENCE, ROOT
from tests.support.states import RUN, about

STEPS = 3


@dataclass(frozen=True)
class Kept:
    """A store with one checkpoint, and the model that it was taken of."""

    store: Store
    checkpoint: str
    model: Any
    x: Any

    def export(self, form: Any, to: Path) -> Path:
        return export(self.store, self.store.load(RUN, self.checkpoint), to, form)

    @property
    def answer(self) -> Any:
        return self.model(self.x).numpy()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    from keepbest.snapshots.snapshot import ModelVariables, capture
    from keepbest.snapshots.state import Position
    from keepbest.training.network import describe_network
    from tests.support.networks import dense, seed_all, train

    seed_all()
    store, model = Store(tmp_path_factory.mktemp("store")), dense()
    train(model, 0, STEPS)
    state = capture(ModelVariables(model), position=Position(STEPS))
    store.write(state, about(network=describe_network(model)))
    return Kept(store, state.id, model, np.random.default_rng(0).random((5, 8), dtype=np.float32))


@pytest.fixture(scope="module")
def answers(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a program says of every format, in an environment where keepbest is not installed."""
    folder = tmp_path_factory.mktemp("taken_out")
    np.save(folder / "x.npy", kept.x)
    for form in FORMATS:
        kept.export(form, folder)
    reader, networks = ROOT / "tests/support/plain_reader.py", ROOT / "tests/support/networks.py"
    command: list[str | Path] = [sys.executable, "-I", "-S", reader, sysconfig.get_path("purelib"), folder, networks]
    environment = {"PATH": os.defpath, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "answers.npz") as said:
        return dict(said)


@pytest.mark.parametrize("form", ["keras", "weights", "tf"])
def test_the_network_answers_the_same_and_its_optimizer_is_there(
    kept: Kept, answers: dict[str, Any], form: str
) -> None:
    assert np.array_equal(answers[form], kept.answer)
    optimizer = {variable.path: variable.numpy() for variable in kept.model.optimizer.variables}
    said = [value for name, value in answers.items() if name.startswith(f"{form}/optimizer/")]
    assert len(said) == len(optimizer)
    assert all(np.array_equal(one, other) for one, other in zip(said, optimizer.values(), strict=True))


def test_the_saved_model_answers_the_same(kept: Kept, answers: dict[str, Any]) -> None:
    assert np.allclose(answers["savedmodel"], kept.answer, atol=1e-6)


@pytest.mark.parametrize("form", ["safetensors", "npz"])
def test_arrays_by_name(kept: Kept, answers: dict[str, Any], form: str) -> None:
    groups = {"model": kept.model.variables, "optimizer": kept.model.optimizer.variables}
    wanted = {f"{form}/{group}/{one.path}": one.numpy() for group, several in groups.items() for one in several}
    said = {name: value for name, value in answers.items() if name.startswith(f"{form}/")}
    assert sorted(said) == sorted(wanted)
    assert all(np.array_equal(said[name], wanted[name]) for name in wanted)


def test_an_unknown_format(kept: Kept, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="keras, weights, tf, savedmodel, safetensors, npz"):
        kept.export("onnx", tmp_path)
    assert len(FORMATS) == 6


def test_restore_makes_the_network_again(kept: Kept) -> None:
    model = restore(RUN, store=kept.store)
    assert np.array_equal(model(kept.x), kept.answer)
    assert int(model.optimizer.iterations.numpy()) == STEPS


def test_restore_into_a_model_of_ones_own(kept: Kept) -> None:
    from tests.support.networks import dense, embedding

    assert np.array_equal(restore(RUN, dense(), step=STEPS, store=kept.store)(kept.x), kept.answer)
    with pytest.raises(CheckpointMismatch, match="does not fit the model"):
        restore(RUN, embedding(), store=kept.store)


def test_a_network_without_a_description_needs_its_code(kept: Kept) -> None:
    from keepbest.snapshots.snapshot import ModelVariables, capture
    from keepbest.snapshots.state import Position

    state = capture(ModelVariables(kept.model), position=Position(9))
    kept.store.write(state, about("q" * 12))
    with pytest.raises(NotFound, match="no description") as caught:
        restore("q" * 12, store=kept.store)
    assert "keepbest.restore(run, model)" in str(caught.value.hint)
