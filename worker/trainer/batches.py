"""Feeds the training loop with batches from any step on, so that a resumed run goes on with the right batch.

The order of arrays is computed, not stored: the permutation of an epoch is a function of (seed, epoch), and the step
gives the position. Batches run across the end of an epoch. So every batch has the same size, and step s begins with
example s * batch_size of the endless sequence of permutations. (Keras' own `fit(shuffle=True)` with a seed repeats one
permutation in every epoch, and TensorFlow's `index_shuffle` is measurably biased: chi-square / df of 10-40 for the
place of one example over 4,000 epochs.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from keepbest.errors import InvalidInput
from keepbest.stopping import Recovery
from keepbest.training.spec import Training
from worker.trainer.pipeline import open_pipeline

#: More steps than any run has: tf.data has no endless range.
_ENDLESS = 2**48
_PREFETCH = 2
#: tf.data.INFINITE_CARDINALITY
_INFINITE = -1


@dataclass(frozen=True)
class DataOrder:
    """The order of the data after so many recoveries: the same batches again might break training again.

    Shuffled examples come in another order, by `number`. All other data go on behind the broken batch: `ahead` batches
    after the step's own.
    """

    number: int = 0
    ahead: int = 0

    @classmethod
    def after(cls, recoveries: Sequence[Recovery]) -> DataOrder:
        """Return the order after these recoveries; a resumed run knows them from its checkpoint."""
        return cls(len(recoveries), sum(recovery.step - recovery.to for recovery in recoveries))

    def mix(self, seed: int) -> int:
        """Return the seed of this order; the first order has the run's own."""
        import numpy as np

        if not self.number:
            return seed
        mixed = np.random.SeedSequence((seed % 2**64, self.number)).generate_state(1, np.uint64)
        return int(mixed[0] >> np.uint64(1))


FIRST = DataOrder()


class BatchesFrom(Protocol):
    """Returns data for `model.fit` from a step on."""

    def __call__(self, step: int, order: DataOrder = FIRST) -> Any: ...


@dataclass(frozen=True)
class BatchSource:
    """`batches_from(step, order)` returns data for `model.fit`. `note` says why a resume is not exact, if it is not.

    `reorders` says whether a recovery shuffles the data anew.
    """

    batches_from: BatchesFrom
    batches_per_epoch: float | None
    note: str | None = None
    reorders: bool = False

    def epoch_at(self, step: int) -> float | None:
        return step / self.batches_per_epoch if self.batches_per_epoch else None


def make_feed(training: Training, seed: int, *, deterministic: bool = True) -> BatchSource:
    """Return the feed of a training part. `deterministic` says whether TensorFlow's operations are.

    An epoch is as long as the data, unless the training names its steps.
    """
    import keras
    import tensorflow as tf

    train = _weighed(training)
    order = seed if training.shuffle else None
    if isinstance(train, tf.data.Dataset):
        feed = _feed_dataset(train, deterministic)
    elif isinstance(train, keras.utils.PyDataset):
        feed = _feed_py_dataset(train, order, training.class_weight)
    elif isinstance(train, tuple | list) and len(train) in (2, 3):
        feed = _feed_arrays(tuple(train), training.batch_size, order)
    else:
        raise InvalidInput(
            f"The training data is a {type(train).__name__}.",
            hint="Give (x, y) arrays, a tf.data.Dataset or a Keras PyDataset.",
        )
    return feed if training.steps_per_epoch is None else replace(feed, batches_per_epoch=training.steps_per_epoch)


def _weighed(training: Training) -> Any:
    """Return the training part, with `sample_weight` as its third array."""
    train = training.train
    if training.sample_weight is None:
        return train
    if not isinstance(train, tuple | list) or len(train) != 2:
        raise InvalidInput(
            "Training(sample_weight=…) works with arrays (x, y) only.",
            field="sample_weight",
            hint="Put the weights into the third part of a pipeline's batches, or of (x, y, sample_weight).",
        )
    return (*train, training.sample_weight)


def _feed_arrays(arrays: tuple[Any, ...], batch_size: int, seed: int | None) -> BatchSource:
    import tensorflow as tf

    count = _check_arrays(arrays)
    tensors = tf.nest.map_structure(tf.convert_to_tensor, arrays)
    if batch_size < 1:
        raise InvalidInput(f"batch_size must be at least 1, but got {batch_size}.", field="parameters")

    def take(chosen: Any) -> Any:
        return tf.nest.map_structure(lambda tensor: tf.gather(tensor, chosen), tensors)

    def batches_from(step: int, order: DataOrder = FIRST) -> Any:
        first = step if seed is not None else step + order.ahead
        indices = _order_from(first * batch_size, count, None if seed is None else order.mix(seed))
        return untuned(indices.batch(batch_size).map(_as_written(take)).prefetch(_PREFETCH))

    return BatchSource(batches_from, count / batch_size, reorders=seed is not None)


def untuned(dataset: Any) -> Any:
    """Return the dataset without tf.data's autotuning, which has nothing to tune here.

    Deleting an iterator waits for its tuning thread, which sleeps up to a minute and may miss its wake-up.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _order_from(position: int, count: int, seed: int | None) -> Any:
    """Return the indices of the endless sequence of permutations from `position` on; without a seed, unshuffled."""
    import tensorflow as tf

    data = tf.data.Dataset

    def permute(epoch: Any) -> Any:
        indices = tf.range(count, dtype=tf.int64)
        if seed is None:
            return data.from_tensor_slices(indices)
        key = tf.stack([tf.constant(seed, tf.int64), epoch])
        return data.from_tensor_slices(tf.random.experimental.stateless_shuffle(indices, seed=key))

    epochs = data.range(position // count, _ENDLESS)
    return epochs.flat_map(_as_written(permute)).skip(position % count)


def _check_arrays(arrays: tuple[Any, ...]) -> int:
    import keras

    counts = {int(leaf.shape[0]) for leaf in keras.tree.flatten(arrays)}
    if len(counts) != 1 or counts == {0}:
        raise InvalidInput(
            f"The arrays of the training data have {' and '.join(map(str, sorted(counts)))} examples.",
            hint="x and y need the same number of examples, and at least one.",
        )
    return counts.pop()


def _feed_dataset(dataset: Any, deterministic: bool) -> BatchSource:
    """Feed a pipeline that begins anew and skips the trained batches: exact if its graph alone decides the batches."""
    pipeline = open_pipeline(dataset, deterministic=deterministic)
    count = int(dataset.cardinality())  # negative: infinite or unknown

    def batches_from(step: int, order: DataOrder = FIRST) -> Any:
        step, begun = step + order.ahead, pipeline.begin()
        endless = begun if count == _INFINITE else begun.repeat()
        return endless.skip(step % count if pipeline.repeats and count > 0 else step)

    note = "The tf.data pipeline is replayed up to the step, which is exact only if it gives the same batches again: "
    return BatchSource(batches_from, count if count > 0 else None, note + pipeline.doubt if pipeline.doubt else None)


def _feed_py_dataset(dataset: Any, seed: int | None, class_weight: Mapping[int, float] | None) -> BatchSource:
    """Feed the items in a computed order. keepbest cannot check that a user's `__getitem__` uses only its index."""
    count = len(dataset)
    note = "The order of a PyDataset's items is exact; the items are only if they depend on nothing but their index."

    def batches_from(step: int, order: DataOrder = FIRST) -> Iterator[Any]:
        first = step if seed is not None else step + order.ahead
        walked = _walk_py_dataset(dataset, count, None if seed is None else order.mix(seed), first)
        return walked if class_weight is None else (weigh(batch, class_weight) for batch in walked)

    return BatchSource(batches_from, count, note, reorders=seed is not None)


def weigh(batch: Any, class_weight: Mapping[int, float]) -> tuple[Any, Any, Any]:
    """Return a batch with the weight of each example's class, as in Keras, multiplied with the batch's own weights."""
    import numpy as np

    x, y, *weights = batch
    classes = np.asarray(y)
    if classes.ndim > 1:
        classes = classes.argmax(-1) if classes.shape[-1] > 1 else classes[..., 0]
    made = np.array([class_weight.get(round(item), 1.0) for item in classes.reshape(-1).tolist()], "float32")
    made = made.reshape(classes.shape)
    return x, y, made * np.asarray(weights[0]) if weights and weights[0] is not None else made


def _walk_py_dataset(dataset: Any, count: int, seed: int | None, step: int) -> Iterator[Any]:
    import numpy as np

    while True:
        epoch, place = divmod(step, count)
        order = np.arange(count) if seed is None else np.random.default_rng([seed, epoch]).permutation(count)
        for index in order[place:]:
            yield dataset[int(index)]
        step = (epoch + 1) * count


def _as_written(function: Callable[..., Any]) -> Any:
    """Return a function that AutoGraph skips: it would read this module's source by a name that a user's may have."""
    import tensorflow as tf

    return tf.autograph.experimental.do_not_convert(function)
