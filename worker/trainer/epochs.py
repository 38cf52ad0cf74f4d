"""Turns the epochs of a request into steps, once the data is loaded."""

from __future__ import annotations

import math

from keepbest.contract.batches import Declared
from keepbest.contract.policies import PolicySpec
from keepbest.contract.runs import RunSpec
from keepbest.errors import InvalidInput
from keepbest.stopping.policies.epochs import counts_epochs, resolve_epochs, to_steps
from keepbest.tracking.run import Run
from keepbest.training.spec import Training
from worker.trainer.batches import BatchSource


def settle_epochs(run: Run, spec: RunSpec, training: Training, feed: BatchSource, moved_to: int | None) -> RunSpec:
    """Return the spec with all epochs in steps, and report them to the run. `moved_to` is a later override of the end.

    An epoch has the steps that Keras counts: its last batch may be smaller. Raises InvalidInput if the data does not
    tell the length of an epoch.
    """
    epochs = spec.epochs if spec.epochs is not None or spec.max_steps is not None else training.epochs
    stopper = spec.stopper.model_dump()
    if epochs is None and spec.validate_every_epochs is None and not counts_epochs(stopper):
        return spec
    if not feed.batches_per_epoch:
        raise InvalidInput(
            "The training data does not say how many batches an epoch has.",
            field="epochs",
            hint="Return Training(…, steps_per_epoch=…), or count in steps: --max-steps, --validate-every 100.",
        )
    each = math.ceil(feed.batches_per_epoch)
    every = spec.validate_every
    if spec.validate_every_epochs is not None:
        every = to_steps(spec.validate_every_epochs, each)
    last = to_steps(epochs, each) if epochs is not None else spec.max_steps
    settled = PolicySpec.model_validate(resolve_epochs(stopper, each))
    run.stopper.begin_with(settled.model_dump(), moved_to or last)
    run.recorder.report(declared=Declared(stopper=settled, max_steps=last, validate_every=every))
    return spec.model_copy(update={"stopper": settled, "max_steps": last, "validate_every": every})
