"""A walk over a large model takes longer than all the rest of taking it up: it is made once."""

from __future__ import annotations

import pytest

from keepbest.snapshots import saveables
from keepbest.snapshots.snapshot import Variables


def test_taking_up_a_model_walks_over_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    walks = []

    def walk(thing: object, path: str, seen: set[int]) -> object:
        walks.extend([thing] if not seen else [])
        return original(thing, path, seen)

    original = saveables._walk
    monkeypatch.setattr(saveables, "_walk", walk)
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    Variables(model)
    assert walks == [model]


def test_what_is_added_later_is_found_by_the_next_walk() -> None:
    import keras

    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    with saveables.walked_once():
        before = saveables.saveables_of(model)
        assert saveables.saveables_of(model) is before
    model.add(keras.layers.Dense(1, name="added"))
    assert len(saveables.saveables_of(model)) > len(before)
