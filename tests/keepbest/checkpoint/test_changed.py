"""Restoring into a changed network of Keras: by plan, in part, under other names; and by the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.checkpoint import Store, plan_restore, restore
from keepbest.cli.checkpoints.partial import Target
from keepbest.errors import CheckpointMismatch, InvalidInput, KeepbestError, NotFound
from tests.support.states import RUN, about

pytest.importorskip("keras", reason="needs TensorFlow: make install")

CODE = """
import keras

def build(width: int = 4, head: str = "head", broken: bool = False):
    if broken:
        raise RuntimeError("no such luck")
    layers = [keras.layers.Input((3,)), keras.layers.Dense(width, name="base"), keras.layers.Dense(2, name=head)]
    model = keras.Sequential(layers, name="net")
    model.compile("adam", "mse")
    return model
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "my_model.py"
    path.write_text(CODE)
    return path


@pytest.fixture
def store(code: Path, tmp_path: Path) -> Store:
    """A store with one checkpoint: every variable of the model is 7."""
    from keepbest.snapshots.snapshot import ModelVariables, capture
    from keepbest.snapshots.state import Position

    model = build(code)
    model.optimizer.build(model.trainable_variables)
    variables = ModelVariables(model)
    for variable in (*model.variables, *model.optimizer.variables):
        variable.assign(np.full(variable.shape, 7))
    store = Store(tmp_path / "store")
    store.write(capture(variables, position=Position(3)), about())
    return store


def build(code: Path, *settings: str) -> Any:
    return Target(f"{code}:build", list(settings)).build()


def filled(model: Any) -> dict[str, bool]:
    """Return, for each variable, whether the checkpoint's value is in it."""
    variables = (*model.variables, *model.optimizer.variables)
    return {variable.path: bool(np.all(variable.numpy() == 7)) for variable in variables}


def test_the_same_network(store: Store, code: Path) -> None:
    model = build(code)
    assert plan_restore(RUN, model, store=store).is_same
    assert all(filled(restore(RUN, model, renames={"net/base": "net/base"}, store=store)).values())


def test_another_head_is_taken_in_part(store: Store, code: Path) -> None:
    model = build(code, "width=5")
    with pytest.raises(CheckpointMismatch, match="base/kernel"):
        restore(RUN, model, store=store)
    assert not any(filled(model).values())
    found = filled(restore(RUN, model, partial=True, store=store))
    taken = {path.partition("/")[2] for path, is_filled in found.items() if is_filled}
    slots = {"net_head_bias_momentum", "net_head_bias_velocity"}
    assert taken == {"iteration", "learning_rate", "head/bias", *slots}


def test_another_name(store: Store, code: Path) -> None:
    model = build(code, "head=top")
    kinds = {row.kind for row in plan_restore(RUN, model, store=store).rows}
    assert kinds == {"same", "renamed"}
    with pytest.raises(CheckpointMismatch):
        restore(RUN, model, store=store)
    paths = [variable.path for variable in model.variables]
    old, new = paths[2].replace("top", "head").rpartition("/")[0], paths[2].rpartition("/")[0]
    assert all(filled(restore(RUN, model, renames={old: new}, store=store)).values())


@pytest.mark.parametrize(
    ("source", "settings", "error"),
    [
        ("my_model.py:nope", [], NotFound),
        ("my_model.py:build", ["width=wide"], InvalidInput),
        ("my_model.py:build", ["broken=true"], KeepbestError),
        ("my_model.h5", [], InvalidInput),
        ("gone.keras", [], NotFound),
    ],
)
def test_what_cannot_be_built(code: Path, source: str, settings: list[str], error: type[KeepbestError]) -> None:
    with pytest.raises(error):
        Target(str(code.parent / source), settings).build()


@pytest.mark.parametrize("text", ["a", "=b", "a=", ""])
def test_what_is_no_map(text: str) -> None:
    with pytest.raises(InvalidInput, match="OLD=NEW"):
        assert Target("x.py", maps=[text]).renames
