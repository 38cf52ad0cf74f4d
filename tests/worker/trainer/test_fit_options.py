"""What people give `model.fit` besides data: callbacks, weights, an order, the length of an epoch."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.contract.policies import PolicySpec
from keepbest.errors import InvalidInput, MetricMissing
from keepbest.stopping import Validation, parse
from keepbest.training.spec import Training

keras = pytest.importorskip("keras", reason="needs TensorFlow: make install")
tf = pytest.importorskip("tensorflow")

from tests.support.rig import Rig, build  # noqa: E402
from worker.trainer.batches import make_feed, weigh  # noqa: E402
from worker.trainer.check_monitor import advise, check_monitor  # noqa: E402
from worker.trainer.epochs import settle_epochs  # noqa: E402
from worker.trainer.evaluate import Evaluator  # noqa: E402
from worker.trainer.fit import Ending  # noqa: E402


class Notes(keras.callbacks.Callback):  # type: ignore[name-defined,misc]  # no types
    """Writes down each epoch with what its logs hold; ends the training at one."""

    def __init__(self, ends_at: int | None = None) -> None:
        super().__init__()
        self.seen: list[tuple[int, list[str]]] = []
        self.ends_at = ends_at

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["own"] = 1.0
        self.seen.append((epoch, sorted(logs)))
        self.model.stop_training = epoch == self.ends_at


def test_callbacks_see_each_validation_and_what_they_add_is_kept(tmp_path: Path) -> None:
    notes = Notes()
    rig = Rig(tmp_path, replace(build(), callbacks=[notes]), monitor="own", mode="max", max_steps=30)
    assert rig.train() is Ending.STOPPED
    known = ["accuracy", "loss", "own", "val_accuracy", "val_loss"]
    assert notes.seen == [(0, known), (1, known), (2, known)]
    assert rig.validations == [(10, 1.0), (20, 1.0), (30, 1.0)]


def test_a_callback_ends_the_training(tmp_path: Path) -> None:
    """It was begun anew for ever."""
    rig = Rig(tmp_path, replace(build(), callbacks=[Notes(ends_at=1)]))
    assert (rig.train(), rig.loop.step) == (Ending.CALLBACK, 20)


def test_a_plateau_is_remembered_by_a_resumed_run(tmp_path: Path) -> None:
    def training() -> Training:
        plateau = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=2, min_delta=9.0, min_lr=0)
        return replace(build(), callbacks=[plateau])

    def rates(rig: Rig) -> tuple[float, int]:
        return float(rig.training.model.optimizer.learning_rate), rig.training.callbacks[0].wait

    straight = Rig(tmp_path / "straight", training(), max_steps=60)
    straight.train()
    first = Rig(tmp_path / "broken", training(), max_steps=60)
    first.at[45] = first.hand_back.set
    assert first.train() is Ending.HANDED_BACK
    first.leave()
    again = Rig(tmp_path / "broken", training(), run=first.run.id, max_steps=60)
    again.resume()
    assert rates(again) == rates(straight)
    assert rates(straight)[0] < 0.01
    assert again.digest == straight.digest


@pytest.mark.parametrize("kind", ["arrays", "dataset", "items"])
def test_a_class_weighs_what_it_is_said_to(kind: str) -> None:
    """With weight 0 for every class nothing is learned, by whatever way the data comes."""
    made = build()
    x, y = made.train
    parts: dict[str, Any] = {
        "arrays": (x, y),
        "dataset": tf.data.Dataset.from_tensor_slices((x, y)).batch(8),
        "items": Items(x, y),
    }
    training = replace(made, train=parts[kind], class_weight={0: 0.0, 1: 0.0})
    before = [array.copy() for array in training.model.get_weights()]
    feed = make_feed(training, 0)
    weighed = None if kind == "items" else training.class_weight
    training.model.fit(feed.batches_from(0), steps_per_epoch=4, class_weight=weighed, shuffle=False, verbose=0)
    after = training.model.get_weights()
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))


class Items(keras.utils.PyDataset):  # type: ignore[name-defined,misc]  # no types
    def __init__(self, x: Any, y: Any) -> None:
        super().__init__()
        self.x, self.y = x, y

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.x[index::5], self.y[index::5]


@pytest.mark.parametrize(
    ("y", "weights", "made"),
    [
        ([0, 1, 2], [], [2.0, 1.0, 0.5]),
        ([[0], [2]], [], [2.0, 0.5]),
        ([[1, 0, 0], [0, 0, 1]], [], [2.0, 0.5]),
        ([0, 2], [[3.0, 4.0]], [6.0, 2.0]),
    ],
)
def test_the_weight_of_a_class(y: list[Any], weights: list[Any], made: list[float]) -> None:
    assert weigh((None, np.array(y), *weights), {0: 2.0, 2: 0.5})[2].tolist() == made


def test_weights_of_examples_are_the_third_array() -> None:
    x = np.arange(6, dtype="float32")
    training = Training(None, (x, x), None, sample_weight=x * 2, shuffle=False, batch_size=4)
    first = next(iter(make_feed(training, 0).batches_from(0)))
    assert [part.numpy().tolist() for part in first] == [[0, 1, 2, 3], [0, 1, 2, 3], [0, 2, 4, 6]]
    with pytest.raises(InvalidInput, match="works with arrays"):
        make_feed(replace(training, train=(x, x, x)), 0)


@pytest.mark.parametrize("kind", ["arrays", "items"])
def test_data_that_is_not_shuffled_comes_as_it_lies(kind: str) -> None:
    x = np.arange(15)
    training = Training(None, (x, x) if kind == "arrays" else Items(x, x), None, shuffle=False, batch_size=3)
    batches = [np.asarray(batch[1]).tolist() for batch in islice(make_feed(training, 3).batches_from(4), 2)]
    assert batches == ([[12, 13, 14], [0, 1, 2]] if kind == "arrays" else [[4, 9, 14], [0, 5, 10]])


def test_a_part_of_the_validation_is_measured() -> None:
    training = replace(build(), validation_batch_size=5, validation_steps=2)
    endless = replace(training, validation=tf.data.Dataset.from_tensor_slices(training.validation).batch(5).repeat())
    measured = [Evaluator.of_validation(one).measure(training.model) for one in (training, endless)]
    assert (measured[0].n, measured[0].values) == (10, measured[1].values)


# Epochs


def settle(rig: Rig, moved_to: int | None = None) -> Any:
    feed = make_feed(rig.training, 0)
    return settle_epochs(rig.run, rig.spec, rig.training, feed, moved_to)


def test_epochs_are_steps_once_the_data_is_there(tmp_path: Path) -> None:
    """60 examples in batches of 8: 7.5, which Keras counts as 8 steps."""
    rig = Rig(tmp_path, stopper=parse("2epochs"), epochs=4.0, max_steps=None, validate_every_epochs=0.5)
    spec = settle(rig)
    assert (spec.max_steps, spec.validate_every, spec.stopper.params["steps"]) == (32, 4, 16)
    assert rig.run.stopper.max_steps == 32
    rig.run.set_mode("max")
    stops = [rig.run.judge(Validation(step, 0.5)).stop for step in (8, 16, 20, 24)]
    assert stops == [False, False, False, True]
    assert settle(rig, moved_to=400).max_steps == 32
    assert rig.run.stopper.max_steps == 400  # somebody had it go on


def test_epochs_of_the_training_count_without_a_submitted_limit(tmp_path: Path) -> None:
    training = replace(build(), epochs=3, steps_per_epoch=5)
    assert settle(Rig(tmp_path, training, max_steps=None)).max_steps == 15
    assert settle(Rig(tmp_path, training, max_steps=7)).max_steps == 7
    assert settle(Rig(tmp_path, training, epochs=2.0, max_steps=None)).max_steps == 10


def test_data_without_an_end_has_no_epochs(tmp_path: Path) -> None:
    made = build()
    endless = replace(made, train=tf.data.Dataset.from_tensor_slices(made.train).batch(8).repeat())
    with pytest.raises(InvalidInput, match="does not say how many batches") as raised:
        settle(Rig(tmp_path, endless, epochs=2.0))
    assert "steps_per_epoch" in str(raised.value.hint)
    assert settle(Rig(tmp_path, replace(endless, steps_per_epoch=4), epochs=2.0)).max_steps == 8


def test_nothing_is_said_where_nothing_counts_epochs(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    assert settle(rig) is rig.spec
    assert PolicySpec.model_validate(parse("3")) == PolicySpec.model_validate(parse("3checks"))


# The metric that is monitored


def two_outputs() -> Any:
    x = keras.Input((4,))
    model = keras.Model(x, {"a": keras.layers.Dense(1, name="a")(x), "b": keras.layers.Dense(1, name="b")(x)})
    model.compile("sgd", {"a": "mse", "b": "mae"}, metrics={"a": ["mae"], "b": [keras.metrics.MeanSquaredError()]})
    return model


class Own(keras.Model):  # type: ignore[name-defined,misc]  # no types
    def call(self, x: Any) -> Any:
        return x

    def compute_metrics(self, *_: Any, **__: Any) -> Any:
        return {"mine": 0.0}


@pytest.mark.parametrize("monitor", ["val_accuracy", "val_loss", "loss", "accuracy", "also_accuracy", "bias"])
def test_what_a_validation_will_have_is_taken(monitor: str) -> None:
    check_monitor(replace(build(), also={"also": None}, watch={"bias": None}), monitor)


@pytest.mark.parametrize("monitor", ["val_a_mae", "val_b_mean_squared_error", "val_a_loss", "val_loss"])
def test_names_of_several_outputs_are_taken(monitor: str) -> None:
    check_monitor(replace(build(), model=two_outputs()), monitor)


@pytest.mark.parametrize(
    ("monitor", "near"), [("val_acuracy", "val_accuracy"), ("val_los", "val_loss"), ("nonsense", None)]
)
def test_what_no_validation_will_have_is_refused_before_training(monitor: str, near: str | None) -> None:
    """It failed at the first validation, which may be an hour later."""
    with pytest.raises(MetricMissing) as raised:
        check_monitor(build(), monitor)
    assert (f"Did you mean {near!r}?" if near else "Known: ") in str(raised.value.hint)


@pytest.mark.parametrize(
    ("monitor", "told"),
    [
        ("val_f1", "name one of val_f1[0], val_f1[1], val_f1[mean]."),
        ("val_f1[2]", "name one of val_f1[0], val_f1[1], val_f1[mean]."),
        ("val_los", "Did you mean 'val_loss'?"),
    ],
)
def test_what_a_validation_has_shown_is_advised(monitor: str, told: str) -> None:
    assert told in advise(monitor, ["val_loss", "val_f1[mean]", "val_f1[1]", "val_f1[0]"])


def test_who_names_metrics_in_an_own_way_is_not_asked() -> None:
    model = Own()
    model.compile("sgd", "mse")
    check_monitor(replace(build(), model=model), "val_mine")
    check_monitor(replace(build(), callbacks=[Notes()]), "own")
