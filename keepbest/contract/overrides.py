"""What may be changed where a run jumps: at a roll back, at a fork, when an ended run goes on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from keepbest.contract.base import Id, Shape, Step
from keepbest.contract.names import Name

RATE_PATTERN = r"^(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?x?$"


def _write_out(rate: Any) -> Any:
    return repr(float(rate)) if isinstance(rate, int | float) and not isinstance(rate, bool) else rate


class Overrides(Shape):
    """What goes on differently from here. Kept with the segment that it opened."""

    learning_rate: Annotated[str | None, BeforeValidator(_write_out)] = Field(
        default=None,
        max_length=40,
        pattern=RATE_PATTERN,
        description="a number (`3e-5`), or a multiple of what it was at that checkpoint (`0.1x`)",
    )
    max_steps: int | None = Field(default=None, ge=1, le=2**53)
    reset_patience: bool = False

    @property
    def overrides(self) -> Overrides:
        """What is changed, without where."""
        return Overrides(**{name: getattr(self, name) for name in Overrides.model_fields})


class ResumePoint(Overrides):
    """From which checkpoint of a run to go on, changed how. At most one place; the default is the request's."""

    to: Literal["best", "last"] | None = None
    step: Step | None = None
    checkpoint: Id | None = None


class ResumeRequest(ResumePoint):
    """Queue an ended run again: it goes on from its last checkpoint unless another is named."""


class ForkRequest(ResumePoint):
    """Make a new run of the same spec that begins at a checkpoint of this one: its best unless another is named."""

    name: Name | None = None
    project: Name | None = None


class Origin(Shape):
    """Where a forked run comes from."""

    run: Id
    checkpoint: Id
    step: Step
