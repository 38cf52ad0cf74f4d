"""A policy's input and output as plain values: validations, verdicts and decisions."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from keepbest.errors import PolicyError
from keepbest.status import StopReason
from keepbest.stopping.pairs import Pairs

Mode = Literal["max", "min"]
Unit = Literal["checks", "steps"]
#: The losses that Keras logs. `val_loss` comes first, as the monitored value is measured on the same examples.
LOSSES = ("val_loss", "loss")
#: A policy's whole state: JSON after every validation, so a checkpoint keeps it and any process can go on from it.
State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Validation:
    """One validation at `step`: `value` of the monitored metric on `n` examples.

    A validation without a value says only that training has come this far; it measures nothing.
    `seconds` is the training time of the run so far, over all attempts; `train` the training loss; `metrics` the
    further metrics; `pairs` which of the examples were right, or the loss of each. A validation that is not admitted
    brings no improvement, whatever its value. `fault` says why a validation that has passed may no longer count.
    `broken` says that training is broken here, as the batches showed. `epoch` and `duration_seconds`, the time that the
    validation took, are for the record only.
    """

    step: int
    value: float | None = None
    n: int | None = None
    train: float | None = None
    seconds: float | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    is_admitted: bool = True
    pairs: Pairs | None = None
    fault: str | None = None
    epoch: float | None = None
    duration_seconds: float | None = None
    broken: str | None = None
    #: Why this validation counts as not finite: accuracy is finite even for a network of NaN, whose answer is class 0.
    faults: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "step", _whole(self.step))
        for name in ("value", "train", "seconds"):
            object.__setattr__(self, name, _number(name, getattr(self, name)))
        if faults := tuple(_find_faults(self)):
            object.__setattr__(self, "faults", faults)
            object.__setattr__(self, "is_admitted", False)

    @property
    def merit(self) -> float | None:
        """The value to compare: the measured value, or NaN if the validation is not admitted."""
        return self.value if self.is_admitted or self.value is None else math.nan

    def get_metric(self, name: str) -> float | None:
        """Return a further metric of this validation as a float, or None if it was not measured."""
        return _number(name, self.metrics.get(name))


@dataclass(frozen=True, slots=True)
class Recovery:
    """Training went back by itself from `step`, where it was broken, to the state of step `to`."""

    step: int
    to: int

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"step": self.step, "to": self.to}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One policy's answer at a validation. `at_step` is the step at which it stops: the validation's or an earlier one.

    `would_stop` is true once for a policy in the shadow: at the validation where the policy would have stopped.
    `rate_factor` multiplies the learning rate, which does not fall below `min_rate`. At a `rung` the run pauses until
    its sweep lets it go on. `goes_back` says what is broken, so that training has to go back.
    """

    policy: str
    version: int
    stop: bool
    message: str
    at_step: int
    reason: StopReason | None = None
    wait: int | None = None
    patience_left: int | None = None
    unit: Unit | None = None
    would_stop: bool = False
    rate_factor: float | None = None
    min_rate: float = 0.0
    rung: int | None = None
    goes_back: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The stopper's answer at a validation: one row of the decision log.

    `improved`, `best_step` and `best_value` compare raw values: they name the run's best, whatever the policy's
    min_delta. `wait` and `patience_left` are the policy's and count in `unit`. A validation that is not admitted breaks
    a bound of the stopper, and is never the best. `rate_factor` and `min_rate` are those of the first verdict that has
    any; the trainer multiplies the learning rate even if the decision is to stop. A run of a sweep pauses at `rung`; a
    decision to stop has none. `goes_back` says what is broken: training goes back, and neither stops nor pauses here.
    """

    stop: bool
    improved: bool
    at_step: int
    message: str
    reason: StopReason | None = None
    best_step: int | None = None
    best_value: float | None = None
    wait: int | None = None
    patience_left: int | None = None
    unit: Unit | None = None
    verdicts: tuple[Verdict, ...] = ()
    is_admitted: bool = True
    rate_factor: float | None = None
    min_rate: float = 0.0
    rung: int | None = None
    goes_back: str | None = None

    @property
    def reduction(self) -> tuple[float, float] | None:
        """How the learning rate changes here: the factor and the least rate; None if it does not change."""
        return None if self.rate_factor is None else (self.rate_factor, self.min_rate)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON with the names of the API."""
        return {**_plain(self), "verdicts": [_plain(verdict) for verdict in self.verdicts]}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Decision:
        """Rebuild the decision from the JSON of `to_json`."""
        verdicts = tuple(Verdict(**_read_reason(verdict)) for verdict in plain["verdicts"])
        return cls(**{**_read_reason(plain), "verdicts": verdicts})


def is_better(value: float | None, than: float | None, mode: Mode) -> bool:
    """Whether `value` is finite, and strictly better in float64 than `than`; any finite value is better than None."""
    if value is None or not math.isfinite(value):
        return False
    if than is None:
        return True
    return value > than if mode == "max" else value < than


def improves(value: float, reference: float | None, min_delta: float, mode: Mode) -> bool:
    """Whether `value` is better than the reference by more than `min_delta`; any finite value is better than None."""
    gain = min_delta if mode == "max" else -min_delta
    return is_better(value - gain if reference is not None else value, reference, mode)


def _find_faults(validation: Validation) -> Iterator[str]:
    """Yield why a finite value counts for nothing: a known fault, or a loss of the validation that is not finite."""
    if validation.value is None or not math.isfinite(validation.value):
        return
    if validation.fault is not None:
        yield validation.fault
    losses = {name: validation.metrics.get(name) for name in LOSSES}
    for name, loss in {"training loss": validation.train, **losses}.items():
        if (number := _scalar(loss)) is not None and not math.isfinite(number):
            yield f"its {name} is {number}"
            return


def _scalar(value: object) -> float | None:
    """Return `value` as a float, or None if it is no number: metrics may hold anything."""
    if value is None or isinstance(value, str) or getattr(value, "ndim", None):
        return None
    try:
        return float(value)  # type: ignore[arg-type]  # whatever converts
    except (TypeError, ValueError, OverflowError):
        return None


def _plain(decision: Verdict | Decision) -> dict[str, Any]:
    """Return the fields as they are; `asdict` would copy each value, and slow down a replay of many validations."""
    plain = {name: getattr(decision, name) for name in decision.__slots__}
    return {**plain, "reason": None if decision.reason is None else decision.reason.value}


def _read_reason(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {**plain, "reason": None if plain["reason"] is None else StopReason(plain["reason"])}


def _whole(step: object) -> int:
    try:
        whole = operator.index(step)  # type: ignore[arg-type]  # NumPy and TensorFlow integers too
    except TypeError:
        raise PolicyError(f"A step is a whole number, but got {step!r}.", field="step") from None
    if whole < 0:
        raise PolicyError(f"A step is never negative, but got {whole}.", field="step")
    return whole


def _number(name: str, value: object) -> float | None:
    if value is None:
        return None
    try:
        return float(value)  # type: ignore[arg-type]  # whatever converts: NumPy scalars, zero-dimensional tensors
    except (TypeError, ValueError, OverflowError):
        raise PolicyError(f"The {name} of a validation is a number, but got {value!r}.", field=name) from None
