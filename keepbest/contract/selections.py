"""Defines a selection: a selector's candidates, every average that it measured, and its choice."""

from __future__ import annotations

from pydantic import Field

from keepbest.contract.base import Answer, Count, Id, Step
from keepbest.contract.policies import SelectorSpec


class SelectionCandidate(Answer):
    """A validation whose checkpoint the selector could choose, or average with others."""

    checkpoint: Id
    step: Step
    value: float


class SelectionTrial(Answer):
    """An average that the selector made. It measures every average on the same validation examples."""

    made_of: list[Id] = Field(max_length=100)
    value: float | None = Field(
        default=None, description="null if the selector did not measure it, or if it breaks a bound"
    )
    is_kept: bool


class Selection(Answer):
    """The model that a run ends with. If `made_of` names several checkpoints, `checkpoint` is their average."""

    selector: SelectorSpec
    checkpoint: Id
    step: Step = Field(description="an average has the step of the best checkpoint in it")
    value: float
    n: Count | None = None
    made_of: list[Id] = Field(max_length=100)
    best_checkpoint: Id
    best_step: Step
    best_value: float
    candidates: list[SelectionCandidate] = Field(default_factory=list, max_length=1000)
    trials: list[SelectionTrial] = Field(default_factory=list, max_length=100)
    batches: Count | None = Field(
        default=None, description="batches of training data from which each average gets new batch statistics"
    )
    message: str = Field(default="", max_length=500)

    @property
    def is_average(self) -> bool:
        return len(self.made_of) > 1
