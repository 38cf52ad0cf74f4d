"""Records the predictions for a few examples with each checkpoint, so that a restored network can be checked.

For each kept state this predicts the examples once and then puts the state back, so that no stateful layer or generator
moves on. It is off by default, because not all data may be stored.
"""

from __future__ import annotations

from typing import Any

from keepbest import figures
from keepbest.checkpoint.check import call, untouched
from keepbest.checkpoint.examples import MAX_BYTES, MAX_EXAMPLES
from keepbest.checkpoint.inputs import Inputs, describe_batch
from keepbest.errors import InvalidInput
from keepbest.snapshots.averages import use
from keepbest.snapshots.randomness import capture_random, restore_random
from keepbest.snapshots.snapshot import VariableSet
from keepbest.snapshots.state import Predictions, State
from keepbest.training.spec import first_inputs


class References:
    """The first `keep` examples of a batch of inputs; with 0 only the form of the batch."""

    def __init__(self, batch: Any, keep: int = 0) -> None:
        if not 0 <= keep <= MAX_EXAMPLES:
            raise InvalidInput(f"keep_examples is 0 to {MAX_EXAMPLES}, but got {keep}.", field="keep_examples")
        self.inputs: Inputs | None = describe_batch(batch)
        self._arrays = self._take(batch, keep) if keep else ()

    @property
    def is_kept(self) -> bool:
        return bool(self._arrays)

    def predict(self, model: Any, living: VariableSet, state: State, *, is_present: bool = True) -> Predictions:
        """Return the network's predictions with the values of `state`, and then put the present values back.

        The present values are those of `state` unless `is_present` is False.
        """
        assert self.inputs is not None  # noqa: S101  # otherwise `is_kept` is False
        random, used = capture_random(), use(state)
        with untouched(model):
            if used is not state or not is_present:
                living.put(used)
            outputs = tuple(call(model, self.inputs, self._arrays))
        restore_random(random)
        return Predictions(self._arrays, outputs)

    def _take(self, batch: Any, keep: int) -> tuple[Any, ...]:
        import numpy as np

        if self.inputs is None:
            message = "keep_examples needs arrays, or dicts, lists and tuples of arrays; this data is something else."
            raise InvalidInput(message, field="keep_examples")
        leaves = zip(self.inputs.flatten(batch), self.inputs.leaves, strict=True)
        taken = [(np.asarray(array[:keep]), leaf) for array, leaf in leaves]
        arrays = tuple(
            array.astype(object) if leaf.dtype == "string" else array.astype(leaf.dtype) for array, leaf in taken
        )
        size = sum(array.nbytes for array in arrays)
        if size > MAX_BYTES:
            message = (
                f"{keep} examples take {figures.size(size)}; a checkpoint stores at most {figures.size(MAX_BYTES)}."
            )
            raise InvalidInput(message, field="keep_examples", hint="Keep fewer.")
        return arrays


def of_part(part: Any, keep: int) -> References | None:
    """Return the first `keep` inputs of a part of the data. This starts a pipeline only if it keeps some."""
    if isinstance(part, tuple | list) or keep:
        return References(first_inputs(part), keep)
    form = getattr(part, "element_spec", None)
    return References(form[0]) if isinstance(form, tuple) else None


def of_validation(validation: Any, keep: int) -> References | None:
    """Return the first `keep` inputs of arrays (x, y). Raises InvalidInput if there are no arrays to keep them from."""
    if validation is not None:
        return References(validation[0], keep)
    if keep:
        message = "keep_examples needs the validation data, which Keras shows to no callback."
        raise InvalidInput(message, field="keep_examples", hint="KeepBest(validation=(x, y), keep_examples=8)")
    return None
