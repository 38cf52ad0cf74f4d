"""Networks made again from their description: own classes, own losses, Lambda layers, late-built ones, odd inputs.

Each is trained a little under KeepBest, without any service, and restored where nothing of its own is known.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keepbest
from keepbest.checkpoint import Store, export
from keepbest.checkpoint.inputs import describe_batch
from keepbest.checkpoint.rebuild import complete
from keepbest.checkpoint.restore import choose
from keepbest.contract.restores import CheckResult, RestoreJob
from keepbest.errors import CheckpointMismatch, InvalidInput, NetworkUnknown, NotFound
from tests.support.rebuilding import WHOLE, X, Y, answer, compiled, dense, train


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    """Classes that are registered, as an own module's are once it is imported."""
    import keras

    @keras.saving.register_keras_serializable("rebuilding")
    class Pair(keras.Model):  # type: ignore[misc]
        """Whole numbers and others, in a dict; Keras records shapes of it, no types."""

        def __init__(self, **more: Any) -> None:
            super().__init__(**more)
            self.embedding, self.out = keras.layers.Embedding(9, 2), keras.layers.Dense(1)

        def call(self, inputs: Any) -> Any:
            words = keras.ops.reshape(self.embedding(inputs["words"]), (-1, 8))
            return self.out(keras.ops.concatenate([words, inputs["numbers"]], axis=1))

    @keras.saving.register_keras_serializable("rebuilding")
    class OwnCompile(keras.Model):  # type: ignore[misc]
        def __init__(self, **more: Any) -> None:
            super().__init__(**more)
            self.out = keras.layers.Dense(1)

        def compile(self, rate: float) -> None:
            super().compile(keras.optimizers.SGD(rate), "mse")

        def call(self, inputs: Any) -> Any:
            return self.out(inputs)

    return {"Pair": Pair, "OwnCompile": OwnCompile}


@pytest.fixture(scope="module")
def built_oddly() -> tuple[Any, Any]:
    """One that computes something while it is built, and one that answers nothing."""
    import keras

    @keras.saving.register_keras_serializable("rebuilding")
    class Normalized(keras.Model):  # type: ignore[misc]
        def __init__(self, **more: Any) -> None:
            super().__init__(**more)
            self.normalization = keras.layers.Normalization()

        def call(self, inputs: Any) -> Any:
            return self.normalization(inputs)

    @keras.saving.register_keras_serializable("rebuilding")
    class Shy(keras.Model):  # type: ignore[misc]
        def build(self, shape: Any) -> None:
            self.out = keras.layers.Dense(1)
            self.out.build(shape)

        def call(self, inputs: Any) -> Any:
            raise RuntimeError("no values")

    return Normalized, Shy


PAIR = {"words": WHOLE, "numbers": X}


def test_a_class_that_is_not_known_is_named(tmp_path: Path) -> None:
    import keras

    class Mine(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs

    run = train(dense(Mine()), tmp_path)
    with pytest.raises(NetworkUnknown, match="classes or functions of its own that are not known here: Mine") as caught:
        keepbest.restore(run, store=tmp_path)
    assert "--into" in str(caught.value.hint)
    with keras.saving.custom_object_scope({"Mine": Mine}):
        assert keepbest.restore(run, store=tmp_path, check=True).optimizer is not None


def test_an_unknown_loss_or_metric_never_stops_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import keras

    def mine(truth: Any, guess: Any) -> Any:
        return keras.ops.mean(keras.ops.abs(truth - guess))

    kinds: list[dict[str, Any]] = [{"metrics": [mine]}, {"loss": lambda one, other: mine(one, other)}]
    for number, more in enumerate(kinds):
        model, store = dense(), tmp_path / str(number)
        compiled(model, **more)
        run = train(model, store)
        with caplog.at_level(logging.WARNING, "keepbest"):
            caplog.clear()
            restored = keepbest.restore(run, store=store, check=True)
        assert restored.optimizer is None
        assert number == 1 or "restored uncompiled, without its optimizer: TypeError" in caplog.text  # 1 is no JSON
        assert np.array_equal(answer(restored), answer(model))
        assert checked(store, run, "tf", tmp_path / f"{number}-tf").within
        compiled(restored).fit(X, Y, verbose=0)


def test_code_in_a_description_is_run_only_when_allowed(tmp_path: Path) -> None:
    import keras

    model = dense(keras.layers.Lambda(lambda inputs: inputs * 2))
    run = train(model, tmp_path)
    with pytest.raises(NetworkUnknown, match="a Lambda layer") as caught:
        keepbest.restore(run, store=tmp_path)
    assert "--allow-code" in str(caught.value.hint)
    assert np.array_equal(answer(keepbest.restore(run, store=tmp_path, allow_code=True)), answer(model))


def test_a_network_written_as_a_class(known: dict[str, Any], tmp_path: Path) -> None:
    """Its variables need a call with whole numbers, and so does what is to be served."""
    model = compiled(known["Pair"]())
    run = train(model, tmp_path / "store", PAIR)
    restored = keepbest.restore(run, store=tmp_path / "store", check=True)
    assert np.array_equal(answer(restored, PAIR), answer(model, PAIR))
    assert len(restored.optimizer.variables) == len(model.optimizer.variables)
    own = known["Pair"]()
    assert np.array_equal(answer(keepbest.restore(run, own, store=tmp_path / "store"), PAIR), answer(model, PAIR))
    forms: list[Any] = ["savedmodel", "keras", "tf"]
    assert all(checked(tmp_path / "store", run, form, tmp_path / form).within for form in forms)


def checked(store: Path, run: str, form: Any, to: Path) -> CheckResult:
    """Export as the command does, and have what it asks a fresh process answered here."""
    from worker.checks.restored import answer as answer_job

    opened = Store(store)
    chosen = choose(opened, run)
    path = export(opened, opened.load(run, chosen.id), to, form)
    job = {"task": "check", "store": str(store), "run": run, "checkpoint": chosen.id, "form": form, "path": str(path)}
    return CheckResult.model_validate(answer_job(RestoreJob.model_validate(job), to / "code"))


def late() -> Any:
    """Without an entry; and its pictures move in training only, where Keras' own export goes on moving them."""
    import keras

    moved = [keras.layers.Reshape((2, 2, 1)), keras.layers.RandomTranslation(0.5, 0.5), keras.layers.Flatten()]
    return compiled(keras.Sequential([*moved, keras.layers.Dense(3, "tanh"), keras.layers.Dense(1)]))


def nested() -> Any:
    import keras

    inner = keras.Sequential([keras.layers.Dense(3, "tanh"), keras.layers.BatchNormalization()])
    return dense(inner, keras.layers.Dropout(0.5))


def stateful() -> Any:
    """What is predicted depends on what was predicted before."""
    import keras

    entry = keras.Input(batch_shape=(8, 4))
    wide = keras.layers.Reshape((4, 1))(entry)
    return compiled(keras.Model(entry, keras.layers.LSTM(1, stateful=True)(wide)))


def several() -> Any:
    import keras

    entries = [keras.Input((4,), dtype="int64"), keras.Input((4,))]
    words = keras.layers.Flatten()(keras.layers.Embedding(9, 2)(entries[0]))
    joined = keras.layers.Concatenate()([words, entries[1]])
    return compiled(
        keras.Model(entries, [keras.layers.Dense(1)(joined), keras.layers.Dense(1)(joined)]), ["mse", "mse"]
    )


@pytest.mark.parametrize(
    ("build", "x", "forms"),
    [
        (late, X, ["savedmodel", "weights"]),
        (nested, X, ["npz"]),
        (several, (WHOLE, X), ["savedmodel", "weights"]),
    ],
    ids=["late", "nested", "tuple"],
)
def test_kinds(build: Callable[[], Any], x: Any, forms: list[Any], tmp_path: Path) -> None:
    model, store = build(), tmp_path / "store"
    y = [Y, Y] if build is several else Y
    run = train(model, store, x, y, keep_examples=8)
    restored = keepbest.restore(run, store=store, check=True)
    keepbest.restore(run, build(), store=store, check=True)  # `late` has no variables yet
    restored.fit(x, y, batch_size=8, verbose=0)
    for form in forms:
        assert checked(store, run, form, tmp_path / form).within


def test_what_cannot_answer_before_it_has_its_values(known: dict[str, Any], built_oddly: tuple[Any, Any]) -> None:
    """Keras builds a class in a graph of its own; what a Normalization computed there is gone, or others' values."""
    import keras

    models = [kind() for kind in built_oddly]
    models[0].normalization.adapt(X)
    models[0](X)
    models[1].build((None, 4))
    made = [keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model)) for model in models]
    for model in made:
        complete(model, None)
    assert np.array_equal(answer(made[0]), X)  # it has learned nothing yet
    assert len(made[1].variables) == 2
    with pytest.raises(InvalidInput, match="Calling the network"):  # this one is not built, and takes something else
        complete(known["Pair"](), describe_batch(X))


def test_recording_examples_changes_nothing(tmp_path: Path) -> None:
    import keras

    ends = []
    for keep in (0, 8):
        keras.utils.set_random_seed(3)
        model = stateful()
        train(model, tmp_path / str(keep), keep_examples=keep)
        ends.append([value.tobytes() for value in map(np.asarray, [*model.variables, *model.optimizer.variables])])
    assert ends[0] == ends[1]


def test_what_predicts_something_else_is_refused(tmp_path: Path) -> None:
    import keras

    run = train(dense(keras.layers.Dense(4, "relu")), tmp_path)
    other = dense(keras.layers.Dense(4, "tanh"))  # the same variables
    with pytest.raises(CheckpointMismatch, match="difference is"):
        keepbest.restore(run, other, store=tmp_path, check=True)
    keepbest.restore(run, other, store=tmp_path)


def test_a_class_that_compiles_in_its_own_way(
    known: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = known["OwnCompile"]()
    model.compile(0.1)
    run = train(model, tmp_path)
    restored = keepbest.restore(run, store=tmp_path, check=True)
    assert "restored uncompiled" in caplog.text
    restored.compile(0.1)
    assert keepbest.restore(run, restored, store=tmp_path).optimizer.iterations == model.optimizer.iterations


def test_examples_are_asked_for_where_they_can_be_had(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="validation data"):
        keepbest.KeepBest("loss", keep_examples=8)
    with pytest.raises(InvalidInput, match="0 to 64"):
        keepbest.KeepBest("loss", keep_examples=65, validation=(X, Y))
    run = train(dense(), tmp_path, keep_examples=0)
    with pytest.raises(NotFound, match="no examples"):
        keepbest.restore(run, store=tmp_path, check=True)


def test_part_of_a_network(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import keras

    run = train(dense(keras.layers.Dense(4)), tmp_path)
    other = keras.Sequential([keras.Input((7,)), keras.layers.Dense(5)])
    with pytest.raises(CheckpointMismatch, match="none of its network's 4 variables fits"):
        keepbest.restore(run, other, store=tmp_path, partial=True)
    part = compiled(keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), keras.layers.Dense(7)]))
    keepbest.restore(run, part, store=tmp_path, partial=True)
    assert "Restoring 2 of the 4 variables" in caplog.text
