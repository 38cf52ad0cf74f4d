"""The derived order of data: every example once an epoch, any step can be the first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest

from keepbest.errors import InvalidInput
from keepbest.training.spec import Training
from worker.trainer.batches import BatchSource, make_feed
from worker.trainer.evaluate import Evaluator

tf = pytest.importorskip("tensorflow", reason="needs TensorFlow: make install")
keras = pytest.importorskip("keras")


def feed_of(train: Any, *, batch_size: int = 4, seed: int = 0) -> BatchSource:
    return make_feed(Training(None, train, None, batch_size=batch_size), seed)


def numbers(count: int) -> tuple[Any, Any]:
    return np.arange(count, dtype=np.float32), np.arange(count) * 10


def targets(feed: BatchSource, step: int, count: int) -> list[list[int]]:
    batches: Iterator[Any] = iter(feed.batches_from(step))
    return [[int(y) for y in batch[1]] for batch in islice(batches, count)]


@pytest.mark.parametrize("count", [1, 3, 10, 64])
def test_every_example_comes_once_an_epoch(count: int) -> None:
    seen = np.concatenate(targets(feed_of(numbers(count)), 0, 2 * count)) // 10
    for epoch in seen[: len(seen) // count * count].reshape(-1, count)[:8]:
        assert sorted(epoch) == list(range(count))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    """A seeded Keras fit(shuffle=True) on arrays repeats one order in every epoch."""
    epochs = np.concatenate(targets(feed_of(numbers(20)), 0, 10)).reshape(2, 20)
    assert list(epochs[0]) != list(epochs[1])
    assert targets(feed_of(numbers(20), seed=1), 0, 5) != targets(feed_of(numbers(20)), 0, 5)


@pytest.mark.parametrize("step", [0, 1, 2, 3, 7, 100])
def test_any_step_can_be_the_first(step: int) -> None:
    feed = feed_of(numbers(10))
    assert targets(feed, step, 5) == targets(feed, 0, step + 5)[step:]


def test_no_thread_tunes_a_pipeline_of_arrays() -> None:
    """Freed in the middle of a training, such a pipeline held everything up for 60 s."""
    for dataset in (feed_of(numbers(8)).batches_from(0), Evaluator(numbers(8))._batches):
        assert dataset.options().autotune.enabled is False


def test_batches_are_of_one_size_across_the_end_of_an_epoch() -> None:
    assert {len(batch) for batch in targets(feed_of(numbers(10)), 0, 20)} == {4}


def test_inputs_and_targets_stay_together_in_any_structure() -> None:
    x, y = numbers(10)
    feed = feed_of(({"a": x, "b": x + 1}, y, np.ones(10)))
    inputs, outputs, weights = next(iter(feed.batches_from(1)))
    np.testing.assert_array_equal(inputs["a"] * 10, outputs)
    np.testing.assert_array_equal(inputs["b"], inputs["a"] + 1)
    assert weights.shape == (4,)


def test_the_order_is_the_same_in_every_version() -> None:
    assert targets(feed_of(numbers(10), seed=7), 0, 3) == ORDER_OF_SEED_7


def test_epochs_are_counted_in_batches() -> None:
    assert feed_of(numbers(10)).epoch_at(5) == 2.0
    assert feed_of(numbers(10)).note is None


def test_a_dataset_goes_on_at_any_step() -> None:
    dataset = tf.data.Dataset.from_tensor_slices(numbers(12)).batch(4)
    feed = feed_of(dataset)
    assert targets(feed, 4, 2) == [[40, 50, 60, 70], [80, 90, 100, 110]]
    assert feed.epoch_at(6) == 2.0


def test_a_dataset_without_an_end_or_a_known_length_is_taken() -> None:
    dataset = tf.data.Dataset.from_tensor_slices(numbers(12)).batch(4)
    assert feed_of(dataset.repeat()).epoch_at(6) is None
    assert targets(feed_of(dataset.filter(lambda x, y: True)), 4, 1) == [[40, 50, 60, 70]]


ORDER_OF_SEED_7 = [[30, 40, 10, 90], [0, 20, 60, 50], [70, 80, 90, 10]]


class Pairs(keras.utils.PyDataset):  # type: ignore[misc, name-defined]  # Keras ships no types
    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return np.array([index]), np.array([index])


def test_a_py_dataset_is_walked_in_a_derived_order() -> None:
    feed = feed_of(Pairs())
    assert sorted(np.concatenate(targets(feed, 0, 3))) == [0, 1, 2]
    assert targets(feed, 4, 3) == targets(feed, 0, 7)[4:]
    assert (
        feed.note
        == "The order of a PyDataset's items is exact; the items are only if they depend on nothing but their index."
    )


WRONG = [
    ("text", "is a str"),
    ((np.zeros(3), np.zeros(4)), "3 and 4 examples"),
    ((np.zeros(0), np.zeros(0)), "0 examples"),
]


@pytest.mark.parametrize(("train", "message"), WRONG)
def test_other_data_is_refused(train: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        feed_of(train)
    assert message in caught.value.message
