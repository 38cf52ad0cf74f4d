"""Defines the overrides that a roll back, a resume or a fork may bring."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from keepbest.contract.base import Id, Shape, Step
from keepbest.contract.names import Name

RATE_PATTERN = r"^(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?x?$"


def _write_out(rate: Any) -> Any:
    return repr(float(rate)) if isinstance(rate, int | float) and not isinstance(rate, bool) else rate


class Overrides(Shape):
    """What changes at a roll back, resume or fork. The segment that this opens records it."""

    learning_rate: Annotated[str | None, BeforeValidator(_write_out)] = Field(
        default=None,
        max_length=40,
        pattern=RATE_PATTERN,
        description="a number (`3e-5`), or a multiple of the rate at the checkpoint (`0.1x`)",
    )
    max_steps: int | None = Field(default=None, ge=1, le=2**53)
    reset_patience: bool = False

    @property
    def overrides(self) -> Overrides:
        """The overrides alone, without the resume point."""
        return Overrides(**{name: getattr(self, name) for name in Overrides.model_fields})


class ResumePoint(Overrides):
    """The checkpoint of a run to go on from, and the overrides. Name at most one of `to`, `step` and `checkpoint`."""

    to: Literal["best", "last"] | None = None
    step: Step | None = None
    checkpoint: Id | None = None


class ResumeRequest(ResumePoint):
    """Queues an ended run again. It goes on from its last checkpoint unless the request names another."""


class ForkRequest(ResumePoint):
    """Makes a run of the same spec that begins at a checkpoint of this run: the best if the request names none."""

    name: Name | None = None
    project: Name | None = None


class Origin(Shape):
    """The checkpoint that a fork began at, and its run."""

    run: Id
    checkpoint: Id
    step: Step
