"""Validations, verdicts and decisions: what goes into a policy and what comes out. Plain values, no behaviour."""

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
#: The losses that Keras logs; `val_` first: it is measured on what the value is measured on.
LOSSES = ("val_loss", "loss")
#: A policy's whole memory: JSON after every validation, so that it survives in a checkpoint and continues anywhere.
State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Validation:
    """One validation at `step`: `value` of the monitored metric on `n` examples.

    A validation without a value says only that training has come this far; it measures nothing.
    `seconds` is the training time of the run so far, over all attempts; `train` the training loss; `metrics` whatever
    else was measured; `pairs` which of the examples were right, or the loss of each. A validation that is not admitted
    brings no improvement, whatever its value. `fault` says why it may never count, where that was found out after it.
    `epoch` and `duration_seconds`, which is how long it took, are for the record.
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
    #: Why it counts as not finite, in words: accuracy takes the predictions of a network of NaN for class 0.
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
        """What may be an improvement: the value, or NaN where the validation is not admitted."""
        return self.value if self.is_admitted or self.value is None else math.nan

    def get_metric(self, name: str) -> float | None:
        """Return a further metric of this validation as a float, or None where it was not measured."""
        return _number(name, self.metrics.get(name))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one policy says at a validation. `at_step` is the step at which it stops, which may lie before the
    validation.

    `would_stop` is said by a policy in the shadow, which decides nothing, at the one validation where it would have
    stopped. `rate_factor` is said where the learning rate is to be multiplied by it, though not to fall below
    `min_rate`; `rung` where the run pauses until its sweep lets it go on.
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


@dataclass(frozen=True, slots=True)
class Decision:
    """The stopper's answer at a validation: one row of the decision log.

    `improved`, `best_step` and `best_value` are the selector's: the first strict raw best, worth a snapshot whatever
    the policy's min_delta. `wait` and `patience_left` are the policy's and count in `unit`. A validation that is not
    `is_admitted` breaks a bound that the stopper sets, and is never the best. `rate_factor` and `min_rate` are those of
    the first verdict that has any: whoever trains multiplies the learning rate, also where the decision is to stop.
    `rung` is where a run of a sweep pauses; a decision to stop has none.
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

    @property
    def reduction(self) -> tuple[float, float] | None:
        """What is done to the learning rate here: the factor and the least rate; None where nothing is."""
        return None if self.rate_factor is None else (self.rate_factor, self.min_rate)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, named as in the API."""
        return {**_plain(self), "verdicts": [_plain(verdict) for verdict in self.verdicts]}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Decision:
        """Rebuild what `to_json` gave."""
        verdicts = tuple(Verdict(**{**v, "reason": _reason(v["reason"])}) for v in plain["verdicts"])
        return cls(**{**plain, "reason": _reason(plain["reason"]), "verdicts": verdicts})


def is_better(value: float | None, than: float | None, mode: Mode) -> bool:
    """Whether `value` is strictly better in float64; nothing non-finite is, anything finite beats no value."""
    if value is None or not math.isfinite(value):
        return False
    if than is None:
        return True
    return value > than if mode == "max" else value < than


def improves(value: float, reference: float | None, min_delta: float, mode: Mode) -> bool:
    """Whether `value` is strictly better than the reference by more than `min_delta`; the first finite one is."""
    gain = min_delta if mode == "max" else -min_delta
    return is_better(value - gain if reference is not None else value, reference, mode)


def _find_faults(validation: Validation) -> Iterator[str]:
    """Yield what makes a finite value worth nothing: a loss of the same validation that is NaN or infinite."""
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
    """Return a number, and nothing for what is none, which is somebody else's concern."""
    if value is None or isinstance(value, str) or getattr(value, "ndim", None):
        return None
    try:
        return float(value)  # type: ignore[arg-type]  # whatever converts
    except (TypeError, ValueError, OverflowError):
        return None


def _plain(decision: Verdict | Decision) -> dict[str, Any]:
    """Return the fields as they are; `asdict` would copy each value, which a replay of many validations feels."""
    plain = {name: getattr(decision, name) for name in decision.__slots__}
    return {**plain, "reason": None if decision.reason is None else decision.reason.value}


def _reason(text: str | None) -> StopReason | None:
    return None if text is None else StopReason(text)


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
