"""A walk over a large model takes longer than all the rest of taking it up: it is made once."""

from __future__ import annotations

import pytest

from keepbest.model import attributes, saveables
from keepbest.snapshots.snapshot import ModelVariables


def test_taking_up_a_model_walks_over_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    walks, searches = [], []

    def walk(thing: object, path: str, seen: saveables.Seen) -> object:
        walks.extend([thing] if not seen else [])
        return walk_on(thing, path, seen)

    def search(found: list[saveables.Saveable]) -> object:
        searches.append(found[0][1])
        return search_on(found)

    walk_on, search_on = saveables._walk, attributes._find
    monkeypatch.setattr(saveables, "_walk", walk)
    monkeypatch.setattr(attributes, "_find", search)
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    ModelVariables(model)
    assert walks == [model]
    assert searches == [model]


def test_a_walk_makes_no_layers_as_that_of_keras_does(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    first = saveables.saveables_of(model)
    made: list[object] = []
    monkeypatch.setattr(keras.layers.Layer, "__init__", lambda self, **options: made.append(self))
    assert [id(thing) for _, thing in saveables.saveables_of(model)] == [id(thing) for _, thing in first]
    assert made == []


def test_what_is_added_later_is_found_by_the_next_walk() -> None:
    import keras

    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    with saveables.walked_once():
        before = saveables.saveables_of(model)
        assert saveables.saveables_of(model) is before
    model.add(keras.layers.Dense(1, name="added"))
    assert len(saveables.saveables_of(model)) > len(before)


def test_a_list_in_the_place_of_one_that_is_gone_is_another_one() -> None:
    """A property made the first, and its `id` was taken for the third: paths changed from one walk to the next."""
    import keras

    ids: list[int] = []

    class Listing(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
        def __init__(self) -> None:
            super().__init__()
            self.part = keras.layers.Dense(1)

        @property
        def first(self) -> list[object]:
            ids.append(id(made := [object()]))
            return made

        last = property(lambda self: [0])

        @property
        def most(self) -> list[object]:
            made = [[self.part] for _ in range(1000)]
            return next((one for one in made if id(one) in ids), made[0])

    assert [path for path, _ in saveables.saveables_of(Listing())] == ["", "most/dense"]
