"""Measures a model on a part of its data, always with the same batches, and so with the same bits in the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from keepbest.errors import InvalidInput
from keepbest.stopping import Mode, Pairs, Unpaired
from keepbest.training.metrics import flatten
from keepbest.training.per_example import BATCH_SIZE, ValidationExamples
from keepbest.training.spec import Training
from worker.trainer.batches import untuned


@dataclass(frozen=True)
class Measured:
    """The model's metrics by their plain names (vectors: by their parts), on `n` examples.

    `n` is None if a pipeline does not know it.
    """

    values: dict[str, float]
    n: int | None


class Evaluator:
    """Measures models on one part of the data."""

    def __init__(self, part: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        size = batch_size or BATCH_SIZE
        count = count_examples(part)
        self.n = min(count, steps * size) if count is not None and steps is not None else count
        self._batches = _batch(part, size, is_cut=steps is not None)
        self._steps = steps

    @classmethod
    def of_validation(cls, training: Training) -> Evaluator:
        """Return the evaluator of the validation set."""
        return cls(training.validation, training.validation_batch_size, training.validation_steps)

    def measure(self, model: Any, callbacks: Sequence[Any] = ()) -> Measured:
        """Return the metrics of `model` on the whole part."""
        options: dict[str, Any] = {"steps": self._steps, "verbose": 0, "callbacks": [*callbacks]}
        values = model.evaluate(self._batches, return_dict=True, **options)
        return Measured(flatten(values), self.n)


class Probe:
    """Measures everything for a validation: the validation part as `val_<metric>`, further parts, single variables."""

    def __init__(self, training: Training, callbacks: Sequence[Any] = ()) -> None:
        self._callbacks = callbacks
        self._validation = Evaluator.of_validation(training)
        self._part = training.validation
        self._also = {name: Evaluator(part) for name, part in training.also.items()}
        self._watched = {name: _check_single(name, variable) for name, variable in training.watch.items()}

    def measure(self, model: Any) -> Measured:
        """Return every metric of the validation; `n` is the number of validation examples."""
        validation = self._validation.measure(model, self._callbacks)
        values = {f"val_{name}": value for name, value in validation.values.items()}
        for part, evaluator in self._also.items():
            measured = evaluator.measure(model, self._callbacks).values
            values |= {f"{part}_{name}": value for name, value in measured.items()}
        values |= {name: float(variable.numpy().item()) for name, variable in self._watched.items()}
        return Measured(values, validation.n)

    def compare(self, model: Any, monitor: str, value: float, mode: Mode) -> Pairs:
        """Return each validation example's part of the monitored value, by one more pass, or why this is impossible."""
        if self._validation.n is None:
            return Unpaired("the validation data is a pipeline, whose order is unknown")
        try:
            examples = ValidationExamples(self._part)
        except InvalidInput as error:
            return Unpaired(error.message)
        return examples.compare(model, monitor, value, mode)


def _check_single(name: str, variable: Any) -> Any:
    shape = tuple(getattr(variable, "shape", (0,)))
    if prod(shape) != 1 or not hasattr(variable, "numpy"):
        raise InvalidInput(
            f"Training(watch=...): {name!r} is of shape {shape}, not a variable that holds one number.",
            field="watch",
            hint="Leave it out.",
        )
    return variable


def count_examples(part: Any) -> int | None:
    """Return the number of examples in arrays; None for pipelines, which do not know."""
    if not isinstance(part, tuple | list) or len(part) not in (2, 3):
        return None
    import keras

    return int(keras.tree.flatten(part[0])[0].shape[0])


def walk_and_count(part: Any) -> int:
    """Return the number of examples, by going through all of them if it is not known otherwise."""
    import keras

    known = count_examples(part)
    if known is not None:
        return known
    batches = (part[index] for index in range(len(part))) if isinstance(part, keras.utils.PyDataset) else part
    return sum(int(keras.tree.flatten(batch[0])[0].shape[0]) for batch in batches)


def _batch(part: Any, size: int, *, is_cut: bool) -> Any:
    import keras
    import tensorflow as tf

    if isinstance(part, keras.utils.PyDataset):
        return part
    if isinstance(part, tf.data.Dataset):
        if not is_cut and int(part.cardinality()) == tf.data.INFINITE_CARDINALITY:
            raise InvalidInput(
                "The validation or test data never ends.",
                hint="Leave out .repeat(), add .take(n), or give validation_steps.",
            )
        return part
    if count_examples(part):
        return untuned(tf.data.Dataset.from_tensor_slices(tuple(part)).batch(size).prefetch(1))
    raise InvalidInput(
        "The validation or test data is "
        + (f"a tuple of {len(part)}, or empty." if isinstance(part, tuple | list) else f"a {type(part).__name__}."),
        hint="Give (x, y) arrays with at least one example, a tf.data.Dataset or a Keras PyDataset.",
    )
