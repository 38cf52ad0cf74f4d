"""A few examples whose predictions are recorded with each checkpoint: what a restored network is checked by.

It costs one prediction of them whenever a state is kept, and putting that state back afterwards, so that neither a
stateful layer nor a generator has moved on. Off unless somebody asks: not all data may be stored.
"""

from __future__ import annotations

from typing import Any

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
    """The first `keep` of a batch of inputs; with 0 of them only the form of the batch is known."""

    def __init__(self, batch: Any, keep: int = 0) -> None:
        if not 0 <= keep <= MAX_EXAMPLES:
            raise InvalidInput(f"0 to {MAX_EXAMPLES} examples are kept, but got {keep}.", field="keep_examples")
        self.inputs: Inputs | None = describe_batch(batch)
        self._arrays = self._take(batch, keep) if keep else ()

    @property
    def is_kept(self) -> bool:
        return bool(self._arrays)

    def predict(self, model: Any, living: VariableSet, state: State, *, is_present: bool = True) -> Predictions:
        """Return what the network gives as it is measured and used in `state`.

        What it is at present is put back afterwards; that is `state`, unless `is_present` says otherwise.
        """
        assert self.inputs is not None  # noqa: S101  # else nothing was taken
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
            message = "Examples can be kept of arrays, and of dicts, lists and tuples of arrays; not of this data."
            raise InvalidInput(message, field="keep_examples")
        leaves = zip(self.inputs.flatten(batch), self.inputs.leaves, strict=True)
        taken = [(np.asarray(array[:keep]), leaf) for array, leaf in leaves]
        arrays = tuple(
            array.astype(object) if leaf.dtype == "string" else array.astype(leaf.dtype) for array, leaf in taken
        )
        size = sum(array.nbytes for array in arrays)
        if size > MAX_BYTES:
            message = f"{keep} examples are {size / 2**20:.0f} MiB; {MAX_BYTES // 2**20} are stored at most."
            raise InvalidInput(message, field="keep_examples", hint="Keep fewer.")
        return arrays


def of_part(part: Any, keep: int) -> References | None:
    """Return the first `keep` inputs of a part of a training's data; a pipeline is only begun where some are kept."""
    if isinstance(part, tuple | list) or keep:
        return References(first_inputs(part), keep)
    form = getattr(part, "element_spec", None)
    return References(form[0]) if isinstance(form, tuple) else None


def of_validation(validation: Any, keep: int) -> References | None:
    """Return the first `keep` inputs of arrays (x, y); raises InvalidInput where some are wanted and none are given."""
    if validation is not None:
        return References(validation[0], keep)
    if keep:
        message = "keep_examples takes examples of the validation data, which no callback sees."
        raise InvalidInput(message, field="keep_examples", hint="KeepBest(validation=(x, y), keep_examples=8)")
    return None
