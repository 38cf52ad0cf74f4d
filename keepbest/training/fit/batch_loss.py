"""The loss of each batch of a `fit`: Keras hands over only the mean since the epoch began, in which one NaN stays.

The batch's own loss is the change of the loss tracker's total by the change of its count. The metrics go back with the
weights, so that an earlier batch's NaN is never counted twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from keepbest.model.backend import check_backend
from keepbest.model.reader import read_one
from keepbest.model.variables import value_of
from keepbest.stopping.signs import NonFinite
from keepbest.tracking.run import Run
from keepbest.training.monitor import metrics_of

check_backend()  # before Keras imports a library that may not be installed

import keras  # noqa: E402

#: So many steps in a row may be skipped because of an overflow: loss scaling needs some 30 at most to find its scale.
MAX_SKIPPED = 50


class BatchLoss:
    """Reads the loss of each batch. Call `begin` when Keras begins an epoch, and `read` after each batch."""

    def __init__(self, *, reads_each: bool = True) -> None:
        #: Without this the mean tells enough as long as it is finite: then reading costs nothing.
        self._reads_each = reads_each
        self._mean: float | None = None
        self._model: Any = None
        self._total: Any = None
        self._count: Any = None
        self._last = (0.0, 0.0)
        self._skipped = 0
        #: Whether the metrics hold no batch: the epoch has just begun, or training went back.
        self.is_empty = True

    @classmethod
    def of(cls, run: Run) -> BatchLoss | None:
        """Return a reader for a run whose stopper watches the batches, else None."""
        rule = run.stopper.recover
        return None if rule is None else cls(reads_each=not all(isinstance(sign, NonFinite) for sign in rule.signs))

    def begin(self, model: Any) -> None:
        """Note that Keras has reset the metrics of `model`."""
        self._model, self._mean = model, None
        self._find_tracker()
        self._last, self.is_empty = self._read_tracker(), True

    def read(self, logs: Mapping[str, Any] | None) -> float | None:
        """Return the loss of the batch (of several, their mean); None if the model keeps none, or skipped the step.

        Keras has waited for the step itself by now, so this waits for nothing.
        """
        mean = (logs or {}).get("loss")
        if not self._reads_each and isinstance(mean, float) and math.isfinite(mean):
            self._mean, self._skipped, self.is_empty = mean, 0, False
            return mean
        if self._total is None and not self._find_tracker():
            return None if mean is None else float(mean)
        total, count = self._read_tracker()
        batch = (total - self._last[0], count - self._last[1])
        if not math.isfinite(total) and self._is_skipped():
            self._put(*(self._last if self._mean is None else (self._mean * count, count)))
            return None
        self._last, self._skipped, self.is_empty = (total, count), 0, False
        return batch[0] / batch[1] if batch[1] > 0 else None

    def go_back(self) -> None:
        """Let all metrics begin anew: they hold batches that training has left."""
        for metric in self._model.metrics:
            metric.reset_state()
        self.begin(self._model)

    def leave_out_empty(self, logs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the logs of an epoch without the means over no batch at all: training went back at its last batch."""
        if not self.is_empty:
            return logs
        own = {item.name for item in metrics_of(self._model)}
        return {name: value for name, value in logs.items() if name not in own}

    def _find_tracker(self) -> bool:
        """Find Keras' tracker of the loss, or one that a training step of the user's own keeps."""
        trackers = [item for item in self._model.metrics if isinstance(item, keras.metrics.Mean)]
        tracker = next((item for item in trackers if item.name == "loss"), None)
        if tracker is not None:
            self._total, self._count = value_of(tracker.total), value_of(tracker.count)
        return tracker is not None

    def _read_tracker(self) -> tuple[float, float]:
        return (0.0, 0.0) if self._total is None else (_number(self._total), _number(self._count))

    def _put(self, total: float, count: float) -> None:
        self._total.assign(total)
        self._count.assign(count)

    def _is_skipped(self) -> bool:
        """Whether loss scaling has left out the step because of an overflow: then the weights are as they were."""
        optimizer = getattr(self._model, "optimizer", None)
        if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            return False
        self._skipped += 1
        return int(value_of(optimizer.step_counter).numpy()) == 0 and self._skipped <= MAX_SKIPPED


def _number(variable: Any) -> float:
    return float(read_one(variable).numpy())
