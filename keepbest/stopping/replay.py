"""Replays a policy over the validations that a run recorded.

A replay follows a policy as long as the policy would have trained the run as it was trained. So the replay of a policy
that sets the learning rate ends where the run's own rate differs; for any other policy the run's changes of the rate
are part of its training. The replay of a policy that pauses at rungs ends at a rung where the run itself did not pause,
because the record does not hold what other runs did. The replay of `recover` ends, `censored`, at a broken validation
from which the run itself did not go back. A policy acts only at the run's validations. If it does not stop
by the end of the record, the outcome is `censored`: the policy costs at least as much as the run.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from keepbest.status import StopReason
from keepbest.stopping.best import find_best
from keepbest.stopping.policies.compose import AnyOf
from keepbest.stopping.policies.guards import MaxSteps
from keepbest.stopping.policies.noise import standard_error
from keepbest.stopping.policies.policy import Policy
from keepbest.stopping.validation import Decision, Mode, Validation

#: A share of n examples is k / n; float32 may put the measured share off by this much.
_SHARE_TOLERANCE = 1e-6


class Status(StrEnum):
    STOPPED = "stopped"
    CENSORED = "censored"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, kw_only=True)
class RecordedRun:
    """What one run left behind: its validations in order of step, without abandoned branches, and its last step.

    `budget` is the step that no policy would have passed; `own_stop` the step at which the run's own stopper would have
    ended the run, if training went on past it; `checkpoints` the steps that can still be restored, None if unknown;
    `reductions` by step what the stopper did to the learning rate (`Decision.reduction`); `rungs` by step the rung at
    which the run paused; `steps_per_epoch` is None if no validation says its epoch.
    """

    validations: Sequence[Validation]
    mode: Mode
    end_step: int = 0
    budget: int | None = None
    own_stop: int | None = None
    checkpoints: frozenset[int] | None = None
    reductions: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    rungs: Mapping[int, int] = field(default_factory=dict)
    steps_per_epoch: int | None = None

    @cached_property
    def measured(self) -> list[Validation]:
        """The validations that have a value."""
        return [validation for validation in self.validations if validation.value is not None]

    @cached_property
    def end(self) -> int:
        """The last known step of the training."""
        return max([self.end_step, *(validation.step for validation in self.validations)])

    @cached_property
    def reference(self) -> int:
        """The step that savings count from: where the run's own stopper ended the run, or would have ended it."""
        return self.end if self.own_stop is None else self.own_stop

    @cached_property
    def kept(self) -> Validation | None:
        """The best validation that the run's own stopper saw."""
        return find_best(
            (validation for validation in self.validations if validation.step <= self.reference), self.mode
        )

    @cached_property
    def best(self) -> Validation | None:
        """The best validation of the whole record."""
        return find_best(self.validations, self.mode)

    @cached_property
    def is_share(self) -> bool:
        """Whether every value is a share of its n examples, as accuracy is."""
        return bool(self.measured) and all(_is_share(validation) for validation in self.measured)

    def find_seconds(self, step: int) -> float | None:
        """Return the training time at `step`, by straight lines between validations; None if no validation has one."""
        known = [
            (0, 0.0),
            *(
                (validation.step, validation.seconds)
                for validation in self.validations
                if validation.seconds is not None
            ),
        ]
        if len(known) == 1:
            return None
        place = bisect_right(known, step, key=lambda pair: pair[0])
        if place == len(known):
            return known[-1][1]
        (before, began), (after, ended) = known[place - 1], known[place]
        return began + (ended - began) * (step - before) / (after - before)


@dataclass(frozen=True, kw_only=True)
class PolicyOutcome:
    """What a policy would have done with one run.

    Savings count from the step at which the run's own stopper ended the run. `value_lost` is how much worse the
    policy's best is than the run's best up to there; savings and loss are below zero only if the record goes on past
    it. `examples_lost` and `standard_errors_lost` say the loss of values that are a share of n examples. `regret` is
    how much worse the policy's best is than the best of the whole record. All are None unless the outcome is `stopped`.
    """

    status: Status
    message: str
    stop_step: int | None = None
    reason: StopReason | None = None
    best_step: int | None = None
    best_value: float | None = None
    steps_saved: int | None = None
    share_saved: float | None = None
    seconds_saved: float | None = None
    value_lost: float | None = None
    examples_lost: int | None = None
    standard_errors_lost: float | None = None
    regret: float | None = None
    has_checkpoint: bool | None = None
    nearest_checkpoint: int | None = None

    @property
    def keeps_best(self) -> bool:
        """Whether the policy loses nothing, as far as the record goes."""
        return self.status is Status.CENSORED or (self.value_lost is not None and self.value_lost <= 0)


@dataclass
class _Course:
    """A policy on its way through a record."""

    policy: Policy
    lacking: set[str] = field(default_factory=set)
    decision: Decision | None = None
    #: Why the policy would have trained the run otherwise, once the replay has passed the validation that shows it.
    parted: str | None = None
    #: The same for a policy that would have gone back.
    gone_back: str | None = None

    def follow(self, record: RecordedRun) -> None:
        state, parting = self.policy.start(), None
        for validation in _with_silence(record):
            if parting is not None:
                self.parted = parting
                return
            if validation.value is not None:
                self.lacking |= self.policy.lacks(validation)
            state, self.decision = self.policy.observe(state, validation)
            if self.decision.stop:
                return
            if self.decision.goes_back is not None:  # the validations after it are those of the broken training
                self.gone_back = f"At step {validation.step:,} it would have gone back: {self.decision.goes_back}"
                return
            parting = self._find_parting(self.decision, record, validation.step)

    def _find_parting(self, decision: Decision, record: RecordedRun, step: int) -> str | None:
        if self.policy.changes_rate and decision.reduction != record.reductions.get(step):
            return f"At step {step:,} the policy would have set another learning rate than the run had"
        if decision.rung is not None and decision.rung != record.rungs.get(step):
            return f"At step {step:,} the policy would have waited at rung {decision.rung} for other runs"
        return None


def replay(policy: Policy, record: RecordedRun) -> PolicyOutcome:
    """Return what `policy`, in the record's mode and within the record's budget, would have done with the run."""
    if not record.measured:
        return PolicyOutcome(status=Status.INCONCLUSIVE, message="The run recorded no validation.")
    if record.budget is not None:
        policy = AnyOf(mode=policy.mode, policies=(policy, MaxSteps(mode=policy.mode, steps=record.budget)))
    course = _Course(policy)
    course.follow(record)
    if course.lacking:
        words = ", ".join(_WORDS.get(name, name) for name in sorted(course.lacking))
        return PolicyOutcome(
            status=Status.INCONCLUSIVE, message=f"The policy needs {words} at each validation, which was not recorded."
        )
    if course.parted is not None:
        return PolicyOutcome(status=Status.INCONCLUSIVE, message=f"{course.parted}: what follows is not known.")
    decision = course.decision
    if course.gone_back is not None:
        return _censored(record, decision, f"{course.gone_back}. What follows is not known.")
    if decision is None or not decision.stop:
        return _censored(record, decision)
    return _stopped(record, decision)


def as_taken(record: RecordedRun, stopper: Policy) -> RecordedRun:
    """Return the record as the run's own stopper took it: with the admitted validations and the stopper's own stop.

    The stopper's own stop is the end of the record, unless every policy but the limits was in the shadow. Then it is
    where the shadowed policies would have stopped the run.
    """
    if stopper.all_metrics:
        validations = [
            replace(validation, is_admitted=not stopper.find_faults(validation)) for validation in record.validations
        ]
        record = replace(record, validations=validations)
    deciding = stopper.unshadowed
    is_own = deciding == stopper or stopper.awaits_progress
    return record if is_own else replace(record, own_stop=replay(deciding, record).stop_step)


_WORDS = {
    "train": "the training loss",
    "n": "the number of examples",
    "seconds": "the training time",
    "pairs": "what each example did",
}


def _with_silence(record: RecordedRun) -> Iterable[Validation]:
    """Yield the measured validations, then one without a value where training ended later."""
    yield from record.measured
    if record.end > record.measured[-1].step:
        yield Validation(record.end)


def _censored(record: RecordedRun, decision: Decision | None, message: str | None = None) -> PolicyOutcome:
    best = decision.best_step if decision else None
    return PolicyOutcome(
        status=Status.CENSORED,
        message=message or f"The policy would not have stopped by step {record.end:,}, where the record ends.",
        best_step=best,
        best_value=decision.best_value if decision else None,
        **_find_checkpoint(record, best),
    )


def _stopped(record: RecordedRun, decision: Decision) -> PolicyOutcome:
    stop, best = decision.at_step, decision.best_step
    saved = record.reference - stop
    lost = _behind(record.kept, decision.best_value, record.mode)
    whole, used = record.find_seconds(record.reference), record.find_seconds(stop)
    return PolicyOutcome(
        status=Status.STOPPED,
        message=decision.message,
        stop_step=stop,
        reason=decision.reason,
        best_step=best,
        best_value=decision.best_value,
        steps_saved=saved,
        share_saved=saved / record.reference if record.reference else 0.0,
        seconds_saved=None if whole is None or used is None else whole - used,
        value_lost=lost,
        examples_lost=_examples_lost(record, lost),
        standard_errors_lost=_standard_errors_lost(record, lost),
        regret=_behind(record.best, decision.best_value, record.mode),
        **_find_checkpoint(record, best),
    )


def _behind(best: Validation | None, value: float | None, mode: Mode) -> float | None:
    """Return how far `value` lies behind the best; None if there is a best, but no value."""
    if best is None or best.value is None:
        return 0.0
    if value is None:
        return None
    return best.value - value if mode == "max" else value - best.value


def _examples_lost(record: RecordedRun, lost: float | None) -> int | None:
    if lost is None or record.kept is None or not record.is_share:
        return None
    return round(lost * (record.kept.n or 0))


def _standard_errors_lost(record: RecordedRun, lost: float | None) -> float | None:
    if lost is None or record.kept is None or record.kept.value is None or not record.is_share:
        return None
    error = standard_error(record.kept.value, record.kept.n)
    return lost / error if error else None


def _is_share(validation: Validation) -> bool:
    if validation.value is None or not validation.n or not math.isfinite(validation.value):
        return validation.value is not None and bool(validation.n)  # NaN says nothing either way
    count = validation.value * validation.n
    return 0 <= validation.value <= 1 and abs(count - round(count)) <= min(0.25, validation.n * _SHARE_TOLERANCE)


def _find_checkpoint(record: RecordedRun, step: int | None) -> dict[str, Any]:
    """Return whether `step` can still be restored, and the nearest step that can, of two the earlier."""
    if record.checkpoints is None or step is None:
        return {}
    nearest = min(record.checkpoints, key=lambda kept: (abs(kept - step), kept), default=None)
    return {"has_checkpoint": step in record.checkpoints, "nearest_checkpoint": nearest}
