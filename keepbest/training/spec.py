"""The result of a build function: a compiled model and its data for training, validation and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keepbest.errors import InvalidInput

_SHAPES = "(model, train, validation) or (model, train, validation, test)"


@dataclass(frozen=True)
class Training:
    """A model and its data, for a worker to train.

    Each part of the data is a tuple `(x, y)` or `(x, y, sample_weight)` of arrays, a batched `tf.data.Dataset`, or a
    Keras `PyDataset`. `batch_size` is for arrays only. The run keeps `about` (names, sizes, digests of the data: JSON).

    `class_weight`, `sample_weight` (of arrays), `callbacks`, `shuffle`, `steps_per_epoch`, `validation_steps`,
    `validation_batch_size`, `epochs` and `verbose` mean the same as in `model.fit`. The submission's --epochs and
    --max-steps win over `epochs`. A callback's epoch is a stretch between two validations, as long as --validate-every
    says; its logs hold the measured values of the validation.

    Each validation also measures the parts in `also`, under `<name>_<metric>`, and logs the variables in `watch`, each
    of one number, under their names: curves of a weight or a bias. With `panels` the run has pictures of the validation
    part, in which `classes` names the labels. Each checkpoint stores `keep_examples` of the validation inputs, with the
    network's predictions, unless the submission gives another number; `restore --check` compares them.
    """

    model: Any
    train: Any
    validation: Any
    test: Any = None
    batch_size: int = 32
    about: Mapping[str, Any] = field(default_factory=dict)
    also: Mapping[str, Any] = field(default_factory=dict)
    watch: Mapping[str, Any] = field(default_factory=dict)
    classes: Sequence[str] = ()
    panels: bool = True
    keep_examples: int = 0
    class_weight: Mapping[int, float] | None = None
    sample_weight: Any = None
    callbacks: Sequence[Any] = ()
    shuffle: bool = True
    steps_per_epoch: int | None = None
    validation_steps: int | None = None
    validation_batch_size: int | None = None
    epochs: float | None = None
    verbose: int = 0

    @classmethod
    def of(cls, built: object) -> Training:
        """Return the result of a build function, a Training or a plain tuple, as a Training."""
        if isinstance(built, Training):
            return built
        if isinstance(built, tuple) and len(built) in (3, 4):
            return cls(*built)
        raise InvalidInput(
            f"The build function returned {_described(built)}.",
            hint=f"Return keepbest.Training(model, train, validation, test), or a tuple {_SHAPES}.",
        )


def build_model(training: Training) -> None:
    """Build a model that was made without an input shape, by calling it with one example of its validation data."""
    if training.model.built:
        return
    import keras

    example = first_inputs(training.validation)
    training.model(keras.tree.map_structure(lambda leaf: leaf[:1], example))


def first_inputs(part: Any) -> Any:
    """Return the inputs of some examples of a part of the data, as arrays or tensors."""
    import keras

    if isinstance(part, tuple | list):
        return part[0]
    return (part[0] if isinstance(part, keras.utils.PyDataset) else next(iter(part)))[0]


def _described(built: object) -> str:
    if isinstance(built, tuple):
        return f"a tuple of {len(built)}"
    return "nothing" if built is None else f"a {type(built).__name__}"
