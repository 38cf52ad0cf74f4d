"""Makes validations of what a script logs, where it reports none: it is told where it should have stopped.

A script that only logs says nothing of a monitor. So `val_loss` is watched where it comes, else the first metric that
begins with `val` and whose way to the better is known; a stopper in the shadow judges each value. It never stops the
script. Once the script reports a validation itself, this ends for good.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Protocol

from keepbest.contract.batches import Declared
from keepbest.contract.policies import PolicySpec
from keepbest.contract.runs import Mode as ContractMode
from keepbest.figures import figure
from keepbest.journal.values import find_number
from keepbest.stopping import Decision, Mode, Validation, find_mode, render
from keepbest.tracking.opening import Opening
from keepbest.tracking.recorder import Recorder
from keepbest.tracking.stopper import Stopper

USUAL = "val_loss"
SHADOW = "shadow"
MAX_BESIDE = 200
_BEGIN = re.compile(r"(?:val|valid|validation|eval)[_/.]")
_log = logging.getLogger("keepbest")


class DerivingRun(Protocol):
    """The part of `keepbest.tracking.run.Run` that validations are made for."""

    stopper: Stopper
    opening: Opening
    recorder: Recorder

    def declare(self, declared: Declared) -> None: ...


class DerivedValidations:
    """The validations of one run. `find_way` returns the way to the better that the script has told of a metric."""

    def __init__(self, run: DerivingRun, find_way: Callable[[str], str | None]) -> None:
        self._run, self._find_way = run, find_way
        self._own: Stopper | None = None
        self._before = run.stopper, run.recorder.monitor
        self._key: str | None = None
        self._known: set[str] = set()
        self._waiting: tuple[int, Mapping[str, Any]] | None = None
        self._last = -1
        self._is_over = self._has_told = False
        self._lock = Lock()

    def take(self, values: Mapping[str, Any], step: int) -> None:
        """Take what was logged at a step. A value is judged when a later step comes: then all of its step is known."""
        if self._is_over or not (self._key in values or (self._key is None and self._choose(values))):
            return
        with self._lock:
            if self._waiting is not None and step > self._waiting[0]:
                self._judge(*self._waiting)
            if self._waiting is not None and step == self._waiting[0]:
                self._waiting = step, {**self._waiting[1], **values}
            elif self._waiting is None and step > self._last:
                self._waiting = step, dict(values)  # the script may use its dict again

    def end(self) -> None:
        """Judge the last value."""
        with self._lock:
            if self._waiting is not None and not self._is_over:
                self._judge(*self._waiting)

    def give_up(self) -> None:
        """End for good: the script reports its validations itself."""
        self._is_over = True
        if self._own is not None and self._own is self._run.stopper:
            self._run.stopper, self._run.recorder.monitor = self._before
            self._run.declare(
                Declared(monitor=self._before[1], stopper=PolicySpec.model_validate(self._before[0].spec))
            )
        self._own = None

    def _choose(self, values: Mapping[str, Any]) -> bool:
        """Whether one of the values is the monitor from now on."""
        if self._known.issuperset(values):
            return False
        new = [name for name in values if isinstance(name, str) and name not in self._known]
        self._known.update(new)
        usual = [name for name in new if name == USUAL]
        self._key = next((name for name in [*usual, *new] if _BEGIN.match(name) and self._find_mode(name)), None)
        return self._key is not None

    def _find_mode(self, name: str) -> Mode | None:
        way = self._find_way(name)
        return "max" if way == "max" else "min" if way == "min" else find_mode(_BEGIN.sub("val_", name, count=1))

    def _judge(self, step: int, values: Mapping[str, Any]) -> None:
        self._waiting, self._last = None, step
        run, key = self._run, self._key
        numbers = {name: number for name, value in values.items() if (number := find_number(value)) is not None}
        if key is None or key not in numbers or (self._own is None and not self._begin(key)):
            return
        some = dict(list(numbers.items())[:MAX_BESIDE]) | {key: numbers[key]}
        validation = Validation(step, numbers[key], train=numbers.get("loss"), metrics=some)
        run.opening.open_before(step)
        decision = run.stopper.observe(validation)
        run.recorder.record_validation(validation, decision, is_logged=True)
        self._tell(decision)

    def _begin(self, key: str) -> bool:
        """Put a stopper in the shadow in the place of the run's; one that an earlier process put there stays."""
        run, mode = self._run, self._find_mode(key)
        self._before, spec = (run.stopper, run.recorder.monitor), run.stopper.spec
        if mode is None or (run.stopper.mode not in (None, mode)):
            return False
        if spec.get("name") != SHADOW:
            shadow = {"name": SHADOW, "policies": [spec]}
            self._own = run.stopper = Stopper(shadow, mode, run.stopper.max_steps)
            run.declare(Declared(monitor=key, mode=ContractMode(mode), stopper=PolicySpec.model_validate(shadow)))
        else:
            self._own = run.stopper
            self._own.set_mode(mode)
        run.recorder.monitor = key
        return True

    def _tell(self, decision: Decision) -> None:
        if self._has_told or self._own is None or not any(verdict.would_stop for verdict in decision.verdicts):
            return
        self._has_told = True
        step, value = self._own.best
        best = f"{figure(value)} at step {step:,}" if value is not None and step is not None else "none"
        policy = render(self._own.spec["policies"][0])
        words = f"{policy} would have stopped this run at step {decision.at_step:,}; best {self._key}: {best}."
        self._run.recorder.note(words)
        _log.warning("keepbest: %s KeepBest, or run.report_validation, stops it there.", words)
