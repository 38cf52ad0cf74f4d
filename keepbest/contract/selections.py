"""What a selector did at the end of a run's training: the candidates, every average it tried, and what it chose."""

from __future__ import annotations

from pydantic import Field

from keepbest.contract.base import Answer, Count, Id, Step
from keepbest.contract.policies import SelectorSpec


class SelectionCandidate(Answer):
    """A validation that might have been selected, or a part of it."""

    checkpoint: Id
    step: Step
    value: float


class SelectionTrial(Answer):
    """An average that was made and measured: a validation at the same examples as all the others."""

    made_of: list[Id] = Field(max_length=100)
    value: float | None = Field(default=None, description="null where it was not measured, or breaks a bound")
    is_kept: bool


class Selection(Answer):
    """The model that a run ends with. `checkpoint` is an average of those in `made_of` where these are several."""

    selector: SelectorSpec
    checkpoint: Id
    step: Step = Field(description="of an average: that of the best in it")
    value: float
    n: Count | None = None
    made_of: list[Id] = Field(max_length=100)
    best_checkpoint: Id
    best_step: Step
    best_value: float
    candidates: list[SelectionCandidate] = Field(default_factory=list, max_length=1000)
    trials: list[SelectionTrial] = Field(default_factory=list, max_length=100)
    batches: Count | None = Field(
        default=None, description="of training data that batch normalization was measured anew on, for each average"
    )
    message: str = Field(default="", max_length=500)

    @property
    def is_average(self) -> bool:
        return len(self.made_of) > 1
