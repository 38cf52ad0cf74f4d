"""What is built while training goes on is taken up, and states from before and after it go back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keepbest.checkpoint import Store
from keepbest.errors import CheckpointMismatch
from keepbest.model.variables import TrainedObject
from keepbest.snapshots.snapshot import ModelVariables, capture, roll_back
from keepbest.snapshots.state import Position, State
from tests.support.states import RUN, about


def take(living: ModelVariables) -> State:
    return capture(living, position=Position(1))


def values(*variables: Any) -> list[Any]:
    return [np.array(variable.value) for one in variables for variable in (one if isinstance(one, list) else [one])]


def equal(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def paths(living: ModelVariables, collection: str = "optimizer") -> list[str]:
    return [spec.path for spec in living.specs if spec.collection == collection]


def compiled(optimizer: Any = "adam") -> Any:
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(optimizer, "mse")
    return model


def step(model: Any) -> None:
    model.train_on_batch(np.ones((4, 3), "float32"), np.ones((4, 2), "float32"))


def test_nothing_is_built_before_training_does_it() -> None:
    """An optimizer that was built early refused the head that training made later."""
    model = compiled()
    living = ModelVariables(model)
    before = take(living)
    assert [path.partition("/")[2] for path in paths(living)] == ["iteration", "learning_rate"]
    assert not model.optimizer.built
    step(model)
    after = take(living)
    assert len(after.specs) == len(before.specs) + 4


def test_a_state_from_before_the_optimizer_goes_back_and_on() -> None:
    model = compiled()
    living = ModelVariables(model)
    before = take(living)
    step(model)
    once = values(model.variables, model.optimizer.variables)
    step(model)
    after = take(living)
    roll_back(living, before)
    assert [float(np.abs(one).sum()) for one in values(model.optimizer.variables[2:])] == [0.0] * 4
    step(model)
    assert equal(values(model.variables, model.optimizer.variables), once)
    roll_back(living, after)
    assert int(model.optimizer.iterations) == 2


def test_optimizers_anywhere_in_a_model_are_kept_unused_ones_not() -> None:
    import keras

    class Several(keras.Model):  # type: ignore[misc]  # Keras ships no types
        def __init__(self) -> None:
            super().__init__()
            self.inner = compiled("sgd")
            self.mine = keras.optimizers.Adam(name="mine")
            self.others = [keras.optimizers.RMSprop(name="first"), keras.optimizers.Adagrad()]

        def call(self, x: Any) -> Any:
            return self.inner(x)

    model = Several()
    model.compile("adam", "mse")
    model(np.zeros((1, 3), "float32"))
    weights = model.trainable_variables
    for optimizer in (model.mine, model.others[0], model.inner.optimizer):
        optimizer.build(weights)
    living = ModelVariables(model)
    assert {path.rpartition("/")[0] for path in paths(living)} == {
        f"inner/optimizer/{model.inner.optimizer.name}",
        "mine/mine",
        "others/rm_sprop/first",
    }
    assert len(paths(living, "model")) == len(weights)
    kept = take(living)
    model.mine.apply([np.ones(one.shape, "float32") for one in weights], weights)
    changed = values(model.mine.variables)
    roll_back(living, kept)
    assert not equal(values(model.mine.variables), changed)
    assert int(model.mine.iterations) == 0


def test_two_optimizers_of_a_loop_are_built_by_the_loop() -> None:
    import keras

    first, second = keras.Variable(np.ones(2, "float32")), keras.Variable(np.ones(3, "float32"))
    optimizers = keras.optimizers.Adam(0.1), keras.optimizers.SGD(0.1, momentum=0.9)
    living = ModelVariables(TrainedObject([first, second], optimizers))
    begun = take(living)
    for optimizer, variable in zip(optimizers, (first, second), strict=True):
        optimizer.apply([np.ones(variable.shape, "float32")], [variable])
    kept, wanted = take(living), values(first, second, optimizers[0].variables, optimizers[1].variables)
    for optimizer, variable in zip(optimizers, (first, second), strict=True):
        optimizer.apply([np.ones(variable.shape, "float32")], [variable])
    roll_back(living, kept)
    assert equal(values(first, second, optimizers[0].variables, optimizers[1].variables), wanted)
    roll_back(living, begun)
    assert equal(values(first, second), [np.ones(2), np.ones(3)])
    assert [int(optimizer.iterations) for optimizer in optimizers] == [0, 0]


def test_several_optimizers_in_one_are_kept(tmp_path: Any) -> None:
    """`MultiOptimizer` gives each layer an optimizer of its own."""
    import keras

    def build() -> Any:
        pairs = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1, momentum=0.9))
        pairs[".*bias"] = keras.optimizers.Adam(0.1)
        return compiled(keras.optimizers.MultiOptimizer(pairs))

    model, store = build(), Store(tmp_path)
    step(model)
    store.write(take(ModelVariables(model)), about())
    restored = build()
    store.load(RUN, store.checkpoints(RUN)[0]).load_into(restored)
    for one in (model, restored):
        step(one)
    mine, theirs = (values(one.variables, one.optimizer.variables) for one in (model, restored))
    assert equal(mine, theirs)
    assert len(theirs) == 2 + 9


def test_what_an_optimizer_does_not_list_goes_with_it(tmp_path: Any) -> None:
    """Nadam's product of momenta, under a loss scale as without one; each optimizer's stands behind its own."""
    import keras

    def build(*, scaled: bool) -> Any:
        pairs = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1, momentum=0.9))
        pairs[".*kernel"] = keras.optimizers.Nadam(0.1)
        both = keras.optimizers.MultiOptimizer(pairs)
        return compiled(keras.optimizers.LossScaleOptimizer(both, initial_scale=1.0) if scaled else both)

    def product(model: Any) -> float:
        both = getattr(model.optimizer, "inner_optimizer", model.optimizer)
        return float(next(one for one in both.optimizers if isinstance(one, keras.optimizers.Nadam))._u_product)

    store = Store(tmp_path)
    for scaled in (True, False):
        model = build(scaled=scaled)
        living = ModelVariables(model)
        begun = take(living)
        step(model)
        checkpoint = store.write(take(living), about()).manifest.id
        wanted = product(model)
        assert wanted < 1
        for other in (True, False):
            restored = build(scaled=other)
            store.load(RUN, checkpoint).load_into(restored)
            assert product(restored) == wanted
            step(restored)
            assert product(restored) < wanted
        roll_back(living, begun)
        assert product(model) == 1


@pytest.mark.parametrize("accumulates", [None, 2])
def test_an_optimizers_lists_hold_no_variable_of_the_network(accumulates: int | None) -> None:
    """Adafactor holds some in lists that Keras does not list under a loss scale, and the network's in another."""
    import keras

    inner = keras.optimizers.Adafactor(0.1, gradient_accumulation_steps=accumulates)
    model = compiled(keras.optimizers.LossScaleOptimizer(inner, initial_scale=1.0))
    step(model)
    living = ModelVariables(model)
    assert len(paths(living, "model")) == len(model.variables) == 2
    held = {id(variable) for variable in living._variables}
    assert all(id(one.value) in held for one in (*inner._r, *inner._c, *inner._v))


def test_a_layer_that_came_later_stays_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    import keras

    class Grows(keras.Model):  # type: ignore[misc]  # Keras ships no types
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = keras.layers.Dense(2), keras.layers.Dense(1, name="late_head")

        def build(self, shape: Any) -> None:
            self.body.build(shape)
            self.built = True

        def call(self, x: Any) -> Any:
            return self.body(x)

    model = Grows()
    model(np.zeros((1, 3), "float32"))
    living = ModelVariables(model)
    before = take(living)
    model.head(np.zeros((1, 2), "float32"))
    after = take(living)
    assert [spec.path for spec in after.specs if spec not in before.specs] == ["late_head/kernel", "late_head/bias"]
    head = values(model.head.variables)
    model.body.kernel.assign(np.zeros((3, 2)))
    roll_back(living, before)
    assert "late_head/kernel" in caplog.text
    assert "keep their present values" in caplog.text
    assert equal(values(model.head.variables), head)
    assert float(np.abs(model.body.kernel).sum()) > 0


def test_what_is_no_longer_there_cannot_go_back() -> None:
    import tensorflow as tf

    kept = [tf.Variable(1.0, name="one"), tf.Variable(2.0, name="other")]
    living = ModelVariables(kept)
    state = take(living)
    kept.pop().assign(3.0)
    kept[0].assign(4.0)
    with pytest.raises(CheckpointMismatch, match="model/1: 1 is in the checkpoint, not in the model"):
        roll_back(living, state)
    assert float(kept[0]) == 4.0


@pytest.mark.parametrize("scaled", [True, False])
def test_a_loss_scale_is_no_part_of_what_was_trained(tmp_path: Any, scaled: bool) -> None:
    """A mixed precision's optimizer is wrapped; nothing of what is inside may be lost or moved by it."""
    import keras

    def build(wraps: bool) -> Any:
        inner = keras.optimizers.Adam(0.01)
        return compiled(keras.optimizers.LossScaleOptimizer(inner) if wraps else inner)

    model, other, store = build(scaled), build(not scaled), Store(tmp_path)
    for _ in range(3):
        step(model)
    store.write(take(ModelVariables(model)), about())
    store.load(RUN, store.checkpoints(RUN)[0]).resume_into(other)
    mine, theirs = (getattr(one.optimizer, "inner_optimizer", one.optimizer) for one in (model, other))
    assert equal(values(model.variables, mine.variables), values(other.variables, theirs.variables))
    assert int(theirs.iterations) == 3
