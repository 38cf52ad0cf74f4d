"""tf.data pipelines that begin anew: which go on exactly where they were, and which cannot promise to."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.training.spec import Training
from worker.trainer import pipeline
from worker.trainer.batches import BatchSource, make_feed
from worker.trainer.pipeline import open_pipeline

tf = pytest.importorskip("tensorflow", reason="needs TensorFlow: make install")
keras = pytest.importorskip("keras")


def counting() -> Any:
    return tf.data.Dataset.range(12)


def noisy(number: Any) -> Any:
    return number + tf.random.uniform([], maxval=1000, dtype=tf.int64, seed=4)


def sometimes_noisy(number: Any) -> Any:
    return tf.cond(number > 3, lambda: noisy(number), lambda: number)


def shuffled_within(number: Any) -> Any:
    return tf.data.Dataset.range(number + 3).shuffle(3, seed=5)


def flipped(number: Any) -> Any:
    picture = tf.reshape(tf.range(4 * number, 4 * number + 4), [2, 2, 1])
    return tf.image.random_flip_left_right(picture, seed=6)


def looked_up(table: Any) -> Callable[[Any], Any]:
    return lambda number: table.lookup(number)


def tables() -> Any:
    keys = tf.range(12, dtype=tf.int64)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, keys * 7), default_value=0)


EXACT: dict[str, Callable[[], Any]] = {
    "in order": counting,
    "shuffled": lambda: counting().shuffle(6, seed=3),
    "shuffled once": lambda: counting().shuffle(6, seed=3, reshuffle_each_iteration=False),
    "shuffled over the end": lambda: counting().repeat().shuffle(6, seed=3),
    "cached": lambda: counting().cache().shuffle(12, seed=3).prefetch(2),
    "cached as it was shuffled": lambda: counting().shuffle(12, seed=3).cache(),
    "two shuffled": lambda: tf.data.Dataset.zip(counting().shuffle(4, seed=3), counting().shuffle(5, seed=4)),
    "shuffled within": lambda: counting().flat_map(shuffled_within),
    "interleaved": lambda: counting().interleave(shuffled_within, cycle_length=3, num_parallel_calls=2),
    "drawn from two": lambda: tf.data.Dataset.sample_from_datasets([counting(), counting().map(lambda x: -x)], seed=3),
    "random": lambda: tf.data.Dataset.random(seed=3, rerandomize_each_iteration=True).take(12),
    "with noise": lambda: counting().shuffle(6, seed=3).map(noisy),
    "with noise in a branch": lambda: counting().map(sometimes_noisy),
    "flipped at random": lambda: counting().shuffle(6, seed=3).map(flipped),
    "looked up": lambda: counting().shuffle(6, seed=3).map(looked_up(tables())),
}


def feed_of(dataset: Any, *, deterministic: bool = True) -> BatchSource:
    return make_feed(Training(None, dataset, None), 0, deterministic=deterministic)


def batches(feed: BatchSource, step: int, count: int) -> list[Any]:
    found = [tf.nest.flatten(batch) for batch in islice(feed.batches_from(step), count)]
    return [[part.numpy().tolist() for part in parts] for parts in found]


@pytest.mark.parametrize("name", EXACT)
def test_what_its_graph_decides_goes_on_where_it_was(name: str) -> None:
    """However often it was begun before: iterators of one shuffled dataset share their generator of seeds."""
    feed = feed_of(EXACT[name]().batch(4))
    assert feed.note is None
    straight = batches(feed, 0, 9)
    batches(feed, 1, 4)
    assert batches(feed, 4, 5) == straight[4:]
    assert batches(feed_of(EXACT[name]().batch(4)), 7, 2) == straight[7:]  # made by the same code, as in a new process


def test_passes_that_are_all_the_same_are_not_replayed() -> None:
    assert open_pipeline(counting().batch(4), deterministic=True).repeats
    assert not open_pipeline(EXACT["shuffled"](), deterministic=True).repeats
    assert not open_pipeline(EXACT["with noise in a branch"](), deterministic=True).repeats


def with_options(dataset: Any) -> Any:
    options = tf.data.Options()
    options.deterministic = False
    return dataset.with_options(options)


def generated() -> Any:
    return tf.data.Dataset.from_generator(lambda: iter(range(12)), output_signature=tf.TensorSpec([], tf.int64))


def in_python(number: Any) -> Any:
    return tf.numpy_function(lambda value: value, [number], tf.int64, stateful=False)


def augmented() -> Any:
    layer = keras.layers.RandomFlip()
    return counting().map(lambda x: layer(tf.reshape(tf.cast(x, tf.float32), [1, 1, 1]), training=True))


def changing() -> Any:
    table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, 0)
    return counting().map(looked_up(table))


DOUBTFUL: list[tuple[Callable[[], Any], str]] = [
    (generated, "calls Python code"),
    (lambda: counting().map(in_python), "calls Python code"),
    (augmented, "uses a variable"),
    (changing, "keeps a state that cannot be read"),
    (lambda: with_options(counting()), "gives up the order"),
    (lambda: counting().map(lambda x: x, num_parallel_calls=2, deterministic=False), "gives up the order"),
]


@pytest.mark.parametrize(("make", "why"), DOUBTFUL)
def test_what_more_than_its_graph_decides_says_so(make: Callable[[], Any], why: str) -> None:
    note = feed_of(make()).note
    assert note is not None
    assert note.startswith("The tf.data pipeline is replayed up to the step, which is exact only if")
    assert why in note


def test_without_deterministic_operations_nothing_is_promised() -> None:
    note = feed_of(counting(), deterministic=False).note
    assert note is not None
    assert "not deterministic" in note


def test_large_arrays_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "MAX_HELD_BYTES", 95)
    arrays = tf.data.Dataset.from_tensor_slices(np.arange(12)).shuffle(3, seed=3)
    assert "give them as arrays" in str(feed_of(arrays).note)


def test_a_pipeline_from_files_is_exact(tmp_path: Path) -> None:
    path = str(tmp_path / "numbers")
    with tf.io.TFRecordWriter(path) as writer:
        for number in range(12):
            writer.write(str(number).encode())
    feed = feed_of(tf.data.TFRecordDataset(path, buffer_size=1024).shuffle(6, seed=3).batch(4))
    assert feed.note is None
    assert batches(feed, 4, 3) == batches(feed, 0, 7)[4:]
