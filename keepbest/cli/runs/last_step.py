"""`--epochs` where a run jumps: its last step, of a run that has said how many steps an epoch has."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from keepbest.client.client import Client
from keepbest.errors import InvalidInput
from keepbest.stopping.policies.epochs import to_steps

Epochs = Annotated[
    float | None, typer.Option(help="The same in epochs, counted from the beginning of the run.", min=0.001, max=1e9)
]


def last_step(client: Client, run: str, max_steps: int | None, epochs: float | None) -> int | None:
    """Return the new last step, of steps or of epochs.

    Raises InvalidInput for both at once, and for epochs of a run whose validations do not say in which epoch they were.
    """
    if epochs is None:
        return max_steps
    if max_steps is not None:
        raise InvalidInput("--epochs and --max-steps exclude each other.", field="epochs")
    validations = client.validations(run, limit=100).validations
    each = next(
        (validation.step / validation.epoch for validation in validations if validation.epoch and validation.step), None
    )
    if each is None:
        raise InvalidInput(
            "How many steps an epoch of this run has is not known: its validations do not say their epoch.",
            field="epochs",
            hint="Count in steps: --max-steps 20000",
        )
    return to_steps(epochs, math.ceil(round(each, 6)))  # as Keras counts: the last batch may be a smaller one
