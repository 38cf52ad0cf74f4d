"""The changes of a stopper's state since its oldest unchecked best, to repeat them without a best that is withdrawn.

The stopper judges a validation at once, but a moment passes until its network is checked for NaN. If the check fails,
the trail repeats every change from the state before that validation, which now counts as not finite. Pure: no clock, no
files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from keepbest.stopping import State, Validation

#: A change of the state other than a validation, such as restarted patience or a roll back.
Move = Callable[[State], State]
Judging = Callable[[State, Validation], State]

NOT_KEPT = "it was no best at first, so its state was not kept"


@dataclass(frozen=True)
class Step:
    """One change: the state before and after it, and the move or validation to repeat."""

    before: State
    after: State
    move: Move | None = None
    validation: Validation | None = None

    @property
    def improved(self) -> bool:
        return self.validation is not None and _best(self.after) != _best(self.before)


class Trail:
    """The changes since the oldest unchecked best, and the corrections of states that were judged once more."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        #: Wrong states, which snapshots may still hold, each with the right state.
        self._corrected: list[tuple[State, State]] = []

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, step: Step) -> None:
        """Note a change if a best is unchecked, or if the change is a new best."""
        if self._steps or step.improved:
            self._steps.append(step)

    def confirm(self, step: int, value: float) -> None:
        """Forget the changes before the next unchecked best: a confirmed best confirms the earlier ones."""
        number = self._find(step, value)
        if number is not None:
            rest = self._steps[number + 1 :]
            first = next((place for place, item in enumerate(rest) if item.improved), len(rest))
            self._steps = rest[first:]

    def redo_without(self, step: int, value: float, fault: str, judge: Judging) -> State | None:
        """Return the state as if that validation never counted; None if the validation is no unchecked best."""
        result = self._find(step, value)
        if result is None:
            return None
        kept, undone = self._steps[:result], self._steps[result:]
        state, self._steps = undone[0].before, kept
        for number, item in enumerate(undone):
            anew = self._redo(item, state, judge, fault if number == 0 else None)
            if anew.after != item.after:
                self._corrected.append((item.after, anew.after))
            self.add(anew)
            state = anew.after
        return state

    def settle(self, state: State) -> State:
        """Return the right state in place of one that holds a withdrawn best.

        A best that a roll back has put into the state since then stays.
        """
        for wrong, right in self._corrected:
            if _without_best(state) == _without_best(wrong):
                best = right if _best(state) == _best(wrong) else state
                return self.settle({**right, "best_step": best["best_step"], "best_value": best["best_value"]})
        return state

    def _find(self, step: int, value: float) -> int | None:
        steps = self._steps
        wanted = (place for place in range(len(steps) - 1, -1, -1) if steps[place].improved)
        return next((place for place in wanted if _best(steps[place].after) == (step, value)), None)

    def _redo(self, step: Step, state: State, judge: Judging, fault: str | None) -> Step:
        if step.validation is None:
            assert step.move is not None  # noqa: S101  # a change is a validation or a move
            return Step(state, step.move(state), step.move)
        validation = replace(step.validation, fault=fault) if fault else step.validation
        after = Step(state, judge(state, validation), validation=validation)
        if after.improved and not step.improved:  # its state was not kept, so the run could not go back to it
            validation = replace(validation, fault=NOT_KEPT)
            after = Step(state, judge(state, validation), validation=validation)
        return after


def _best(state: State) -> tuple[int | None, float | None]:
    return state["best_step"], state["best_value"]


def _without_best(state: State) -> State:
    return {name: value for name, value in state.items() if name not in ("best_step", "best_value")}
