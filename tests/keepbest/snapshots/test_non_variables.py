"""What lies beside variables: it goes back in memory, comes back from disk, and is not given to another model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.checkpoint import Loaded, Store
from keepbest.errors import CheckpointIncomplete, CheckpointMismatch
from keepbest.snapshots.snapshot import ModelVariables, capture, roll_back
from keepbest.snapshots.state import Position
from tests.support.states import RUN, about

#: Of `tests.support.beside.LOOKUPS`; importing it takes seconds.
LOOKUPS = (
    "words",
    "words, one hot",
    "numbers",
    "text",
    "text, counted",
    "text, tf-idf",
    "text, tf-idf, padded",
    "bins",
)


def written(model: Any, folder: Path) -> Loaded:
    store = Store(folder)
    written = store.write(capture(ModelVariables(model), position=Position(1)), about())
    return store.load(RUN, written.manifest.id)


@pytest.mark.parametrize("name", LOOKUPS)
def test_learned_state_comes_back_only_to_the_same_layers(name: str, tmp_path: Path) -> None:
    from tests.support.beside import LOOKUPS, adapted

    make, data, others, kind = LOOKUPS[name]
    model = adapted(make, data, kind)
    wanted = np.asarray(model(data))
    loaded = written(model, tmp_path)
    for fresh in (adapted(make, None, kind) if "text, tf" not in name else None, adapted(make, data, kind)):
        if fresh is not None:
            loaded.load_into(fresh)
            assert np.array_equal(np.asarray(fresh(data)), wanted)
    other = adapted(make, others, kind)
    before = np.asarray(other(others))
    with pytest.raises(CheckpointMismatch, match=r"of \d+ \(.* in the checkpoint, of \d+ \(.* in the model"):
        loaded.load_into(other)
    assert np.array_equal(np.asarray(other(others)), before)


def test_a_lookup_never_adapted_is_filled_with_weights_too(tmp_path: Path) -> None:
    """Keras' own files of such a layer cannot be loaded: it has no weights to assign to."""

    import keras

    from tests.support.beside import WORDS

    model = keras.Sequential([keras.Input((1,), dtype="string"), keras.layers.TextVectorization(output_mode="tf_idf")])
    layer = keras.layers.TextVectorization(output_mode="tf_idf")
    layer.adapt(WORDS)
    loaded = written(keras.Sequential([layer]), tmp_path)
    loaded.load_into(model)
    assert np.array_equal(np.asarray(model.layers[0](WORDS)), np.asarray(layer(WORDS)))


def test_a_vocabulary_given_in_the_constructor_is_compared_too(tmp_path: Path) -> None:
    import keras

    from tests.support.beside import HOSTILE

    def build(words: list[str]) -> Any:
        return keras.Sequential([keras.Input((1,), dtype="string"), keras.layers.StringLookup(vocabulary=words)])

    loaded = written(build(HOSTILE), tmp_path)
    loaded.load_into(build(HOSTILE))
    with pytest.raises(CheckpointMismatch, match=r"vocabulary of 7 .* in the checkpoint, of 7"):
        loaded.load_into(build(["a", "b", "c", "d", "e", "f"]))


def test_a_model_that_learned_anew_goes_back_with_its_functions() -> None:
    import keras

    from tests.support.beside import OTHERS, WORDS

    layer = keras.layers.Normalization()
    layer.adapt(np.array([[1.0], [3.0]]))
    lookup = keras.layers.StringLookup(output_mode="one_hot", max_tokens=5)
    lookup.adapt(WORDS)
    number, word = keras.Input((1,)), keras.Input((1,), dtype="string")
    model = keras.Model([number, word], [layer(number), lookup(word)])
    asked = [np.array([[3.0]]), WORDS[:1]]
    wanted = model.predict([np.array([[3.0]]), keras.ops.convert_to_tensor(WORDS[:1])], verbose=0)
    living = ModelVariables(model)
    state = capture(living, position=Position(1))
    layer.adapt(np.array([[10.0], [30.0]]))
    lookup.adapt(OTHERS)
    roll_back(living, state)
    found = model.predict([asked[0], keras.ops.convert_to_tensor(asked[1])], verbose=0)
    assert [one.tolist() for one in found] == [one.tolist() for one in wanted]
    before = model.predict_function
    roll_back(living, state)
    assert model.predict_function is before  # nothing had changed


def test_what_a_layer_saves_by_itself(tmp_path: Path) -> None:
    from tests.support.beside import hooked

    model = hooked()
    layer = model.layers[0]
    layer.table, layer.words, layer.factor, layer.text = np.array([1.0, 2.0], ">f8"), np.array(["ä", "b"]), 0.1, "so\n"
    living = ModelVariables(model)
    state = capture(living, position=Position(1))
    assert [spec.path for spec in state.specs if spec.collection in ("asset", "own")] == [
        "layers/hooked:table.npy",
        "layers/hooked:words.npy",
        "layers/hooked:shift",
        "layers/hooked:factor",
        "layers/hooked:deep/text",
    ]
    wanted = model.predict(np.ones((1, 1)), verbose=0)
    layer.table[0], layer.factor, layer.text = 9.0, 5.0, "other"
    roll_back(living, state)
    roll_back(living, state)
    assert layer.loaded == 1
    other = hooked()
    store = Store(tmp_path)
    loaded = store.load(RUN, store.write(state, about()).manifest.id)
    loaded.load_into(other)
    for one in (layer, other.layers[0]):
        assert one.table.tolist() == [1.0, 2.0]
        assert one.table.dtype.str == ">f8"
        assert [str(word) for word in one.words] == ["ä", "b"]
        assert (one.factor, one.text) == (0.1, "so\n")
    assert all(np.array_equal(one.predict(np.ones((1, 1)), verbose=0), wanted) for one in (model, other))


def test_variables_in_lists_words_and_tables(tmp_path: Path) -> None:
    import tensorflow as tf

    from tests.support.beside import holding

    model = holding("x")
    layer = model.layers[0]
    layer.names.assign([b"\xff\x00", "ä"])
    layer.seen.insert(["one", "two"], tf.constant([1, 2], tf.int64))
    living = ModelVariables(model)
    state = capture(living, position=Position(1))
    layer.names.assign(["", ""])
    layer.seen.insert(["two", "three"], tf.constant([7, 3], tf.int64))
    layer.hidden["in"][0].assign(7.0)
    layer.hidden["a"].variable.assign([7.0, 7.0])
    roll_back(living, state)
    other = holding("x")
    store = Store(tmp_path)
    loaded = store.load(RUN, store.write(state, about()).manifest.id)
    loaded.load_into(other)
    for one in (layer, other.layers[0]):
        assert one.names.numpy().tolist() == [b"\xff\x00", "ä".encode()]
        assert sorted(zip(*(part.numpy().tolist() for part in one.seen.export()), strict=True)) == [
            (b"one", 1),
            (b"two", 2),
        ]
        assert (float(one.hidden["in"][0]), one.hidden["a"].variable.numpy().tolist()) == (1.0, [2.0, 3.0])
    with pytest.raises(CheckpointMismatch, match="fixed: its keys and values are not those"):
        loaded.load_into(holding("y"))


def test_state_that_cannot_be_captured_is_named_and_not_skipped(tmp_path: Path) -> None:
    from tests.support.beside import holding

    model = holding("x", iterates=True)
    (missing,) = ModelVariables(model).missing
    assert (missing.layer, missing.attribute, missing.type) == ("Holding 'holding'", "data", "OwnedIterator")
    loaded = written(model, tmp_path)
    assert loaded.manifest.format == 2
    with pytest.raises(CheckpointIncomplete, match=r"Holding 'holding'\.data, a OwnedIterator") as refused:
        loaded.load_into(holding("x"))
    assert f"keepbest restore {RUN} --checkpoint {loaded.manifest.id} --partial" in str(refused.value.hint)
    loaded.load_into(holding("x"), strict=False)


def test_a_hook_that_fails_stops_nothing(tmp_path: Path) -> None:
    import keras

    from tests.support.beside import Hooked

    class Broken(Hooked):
        def save_own_variables(self, store: Any) -> None:
            raise RuntimeError("no such luck")

    model = keras.Sequential([keras.Input((1,)), Broken()])
    (missing,) = ModelVariables(model).missing
    assert (missing.attribute, "no such luck" in missing.advice) == ("save_own_variables", True)
    assert [spec.path for spec in capture(ModelVariables(model), position=Position(1)).specs][-1].endswith("deep/text")


def test_plain_models_are_written_as_before(tmp_path: Path) -> None:
    """An older version reads them."""

    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    loaded = written(model, tmp_path)
    assert loaded.manifest.format == 1
    file = next(tmp_path.rglob("*.json"))
    assert b"incomplete" not in file.read_bytes()


def test_building_what_only_training_builds_changes_no_value(tmp_path: Path) -> None:
    """The head of another network's checkpoint: refused, after the model was called as in training."""
    import keras

    from tests.support.exact.holding import LateHead

    class Late(LateHead):
        def __init__(self) -> None:
            super().__init__()
            self.averaging = keras.layers.BatchNormalization()

        def call(self, x: Any, training: bool | None = None) -> Any:
            return super().call(self.averaging(x, training=training), training=training)

    inner = keras.layers.Dense(3)
    loaded = written(keras.Sequential([keras.Input((8,)), *[keras.layers.Dense(8) for _ in range(6)], inner]), tmp_path)
    model = Late()
    model(np.zeros((2, 8), np.float32))
    before = {one.path: np.array(one) for one in model.variables}
    with pytest.raises(CheckpointMismatch):
        loaded.load_into(model)
    assert model.auxiliary.built
    after = {one.path: np.array(one) for one in model.variables}
    assert all(np.array_equal(value, after[path]) for path, value in before.items())
