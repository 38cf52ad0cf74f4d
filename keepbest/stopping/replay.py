"""Replays a policy over the validations that a run recorded.

Only a policy that stops can be replayed: one that changes training would have changed the validations. So one that sets
the learning rate is followed as long as the run itself set it so; to one that does not, the run's own changes are a
part of its training. One that pauses at rungs is followed past those at which the run itself paused: what other runs
did is not in the record. A policy can act only where the run validated, and what it would have done past the end of the
record is not
known: such an outcome is `censored`, and its cost at least the run's own.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from keepbest.status import StopReason
from keepbest.stopping.best import find_best
from keepbest.stopping.policies.compose import AnyOf
from keepbest.stopping.policies.guards import MaxSteps
from keepbest.stopping.policies.noise import standard_error
from keepbest.stopping.policies.policy import Policy
from keepbest.stopping.validation import Decision, Mode, Validation

#: A share of n examples is k / n; measured in float32 it may be off by this much.
_SHARE_TOLERANCE = 1e-6


class Status(StrEnum):
    STOPPED = "stopped"
    CENSORED = "censored"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, kw_only=True)
class RecordedRun:
    """What one run left behind: the validations of its living path in order of step, and where its training ended.

    `budget` is the step that no policy would have passed; `own_stop` where the run's own stopper would have ended it,
    if training went on past that; `checkpoints` the steps that can still be restored, None where that is not known;
    `reductions` what its stopper did to the learning rate at which step (`Decision.reduction`); `rungs` at which step
    it paused at which rung; `steps_per_epoch` is None where no validation says its epoch.
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
        """The last step that was trained, as far as is known."""
        return max([self.end_step, *(validation.step for validation in self.validations)])

    @cached_property
    def reference(self) -> int:
        """The step that savings count from: where the run's own stopper ended it, or would have."""
        return self.end if self.own_stop is None else self.own_stop

    @cached_property
    def kept(self) -> Validation | None:
        """The best that the run's own stopper kept."""
        return find_best(
            (validation for validation in self.validations if validation.step <= self.reference), self.mode
        )

    @cached_property
    def best(self) -> Validation | None:
        """The best there is in the whole record."""
        return find_best(self.validations, self.mode)

    @cached_property
    def is_share(self) -> bool:
        """Whether every value is a share of its n examples, as accuracy is."""
        return bool(self.measured) and all(_is_share(validation) for validation in self.measured)

    def find_seconds(self, step: int) -> float | None:
        """Return the training time at `step`, by straight lines between validations; None where none knows it."""
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

    Savings count from where the run's own stopper ended it, and `value_lost` is how much worse its best is than the
    run's: both are below zero only where the record goes on past that. `examples_lost` and `standard_errors_lost` say
    the same of values that are a share of n examples. `regret` is how much worse it is than the best in the whole
    record. Where the outcome is not `stopped` none of them is known.
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
        """Whether nothing is lost, as far as the record goes."""
        return self.status is Status.CENSORED or (self.value_lost is not None and self.value_lost <= 0)


@dataclass
class _Course:
    """A policy on its way through a record."""

    policy: Policy
    lacking: set[str] = field(default_factory=set)
    decision: Decision | None = None
    #: Why the run would have trained otherwise from some validation on, as soon as that validation is passed.
    parted: str | None = None

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
            parting = self._find_parting(self.decision, record, validation.step)

    def _find_parting(self, decision: Decision, record: RecordedRun, step: int) -> str | None:
        if self.policy.changes_rate and decision.reduction != record.reductions.get(step):
            return f"At step {step:,} the learning rate would have become another than it did in the run"
        if decision.rung is not None and decision.rung != record.rungs.get(step):
            return f"At step {step:,} it would have waited for other runs, at rung {decision.rung}"
        return None


def replay(policy: Policy, record: RecordedRun) -> PolicyOutcome:
    """Return what `policy` would have done with the run; the policy's mode is the record's."""
    if not record.measured:
        return PolicyOutcome(status=Status.INCONCLUSIVE, message="The run recorded no validation.")
    course = _Course(_within(policy, record))
    course.follow(record)
    if course.lacking:
        words = ", ".join(_WORDS.get(name, name) for name in sorted(course.lacking))
        return PolicyOutcome(
            status=Status.INCONCLUSIVE, message=f"It needs {words} at each validation, which was not recorded."
        )
    if course.parted is not None:
        return PolicyOutcome(status=Status.INCONCLUSIVE, message=f"{course.parted}: what comes after is not known.")
    decision = course.decision
    if decision is None or not decision.stop:
        return _censored(record, decision)
    return _stopped(record, decision)


def as_taken(record: RecordedRun, stopper: Policy) -> RecordedRun:
    """Return the record as the run's own stopper took it: the validations it admits, and where it would have ended the
    run.

    Which is where the record ends, unless all but limits was in the shadow: beside a rule that decides, one in the
    shadow is another that was asked.
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


def _within(policy: Policy, record: RecordedRun) -> Policy:
    if record.budget is None:
        return policy
    return AnyOf(mode=policy.mode, policies=(policy, MaxSteps(mode=policy.mode, steps=record.budget)))


def _with_silence(record: RecordedRun) -> Iterable[Validation]:
    """Yield the measured validations, then the silence up to where training ended."""
    yield from record.measured
    if record.end > record.measured[-1].step:
        yield Validation(record.end)


def _censored(record: RecordedRun, decision: Decision | None) -> PolicyOutcome:
    best = decision.best_step if decision else None
    return PolicyOutcome(
        status=Status.CENSORED,
        message=f"It would not have stopped by step {record.end:,}, where the record ends.",
        best_step=best,
        best_value=decision.best_value if decision else None,
        has_checkpoint=_has_checkpoint(record, best),
        nearest_checkpoint=_nearest(record, best),
    )


def _stopped(record: RecordedRun, decision: Decision) -> PolicyOutcome:
    stop, best = decision.at_step, decision.best_step
    saved = record.reference - stop
    lost = _behind(record.kept, decision.best_value, record.mode)
    return PolicyOutcome(
        status=Status.STOPPED,
        message=decision.message,
        stop_step=stop,
        reason=decision.reason,
        best_step=best,
        best_value=decision.best_value,
        steps_saved=saved,
        share_saved=saved / record.reference if record.reference else 0.0,
        seconds_saved=_seconds_saved(record, stop),
        value_lost=lost,
        examples_lost=_examples_lost(record, lost),
        standard_errors_lost=_standard_errors_lost(record, lost),
        regret=_behind(record.best, decision.best_value, record.mode),
        has_checkpoint=_has_checkpoint(record, best),
        nearest_checkpoint=_nearest(record, best),
    )


def _seconds_saved(record: RecordedRun, stop: int) -> float | None:
    whole, used = record.find_seconds(record.reference), record.find_seconds(stop)
    return None if whole is None or used is None else whole - used


def _behind(best: Validation | None, value: float | None, mode: Mode) -> float | None:
    """Return how far a kept value lies behind the best; None where nothing was kept and there was something."""
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


def _has_checkpoint(record: RecordedRun, step: int | None) -> bool | None:
    return None if record.checkpoints is None or step is None else step in record.checkpoints


def _nearest(record: RecordedRun, step: int | None) -> int | None:
    """Return the step nearest to `step` that can still be restored, of two the earlier."""
    if not record.checkpoints or step is None:
        return None
    return min(record.checkpoints, key=lambda kept: (abs(kept - step), kept))
