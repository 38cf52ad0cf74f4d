"""Turns `--epochs` of a roll back, fork or resume into steps, by the steps and epochs of the run's validations."""

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
    """Return the new last step, from steps or from epochs.

    Raises InvalidInput for both at once, and for epochs if the run's validations do not record their epoch.
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
            f"The validations of run {run} do not record their epoch, so epochs cannot be turned into steps.",
            field="epochs",
            hint="Count in steps: --max-steps 20000",
        )
    return to_steps(epochs, math.ceil(round(each, 6)))  # as Keras counts: the last batch may be a smaller one
