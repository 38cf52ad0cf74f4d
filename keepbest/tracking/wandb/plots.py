"""W&B's ready charts, as what lies under them: a confusion matrix is a panel, any other the table of its points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keepbest.tracking.wandb.absent import stand_in
from keepbest.tracking.wandb.data_types import Logged, Table, classes_of
from keepbest.tracking.wandb.keeper import Keeper


class _Confusion(Logged):
    def __init__(self, true: Any, predicted: Any, classes: Any) -> None:
        self._true, self._predicted, self._classes = list(true), list(predicted), classes

    def keep(self, keeper: Keeper, name: str) -> None:
        most = max((int(label) for label in (*self._true, *self._predicted)), default=0)
        keeper.keep_confusion(name, self._true, self._predicted, classes_of(self._classes, most + 1))


def confusion_matrix(
    probs: Any = None, y_true: Any = None, preds: Any = None, class_names: Any = None, **_: Any
) -> Logged:
    """Return a confusion matrix of true classes and predicted ones, or of the probabilities of each class."""
    if preds is None and probs is not None:
        import numpy as np

        preds = np.asarray(probs).argmax(axis=-1).tolist()
    return _Confusion(y_true if y_true is not None else [], preds if preds is not None else [], class_names)


def line_series(xs: Sequence[Any], ys: Sequence[Any], keys: Sequence[Any] | None = None, **_: Any) -> Logged:
    """Return the table of several lines: a row for each point."""
    own = bool(xs) and hasattr(xs[0], "__len__")
    rows = [
        [str(keys[number]) if keys and number < len(keys) else str(number), x, y]
        for number, line in enumerate(ys)
        for x, y in zip(xs[number] if own else xs, line, strict=False)
    ]
    return Table(columns=["line", "x", "y"], data=rows)


def roc_curve(y_true: Any = None, y_probas: Any = None, labels: Any = None, *_: Any, **__: Any) -> Logged:
    """Return the table of true classes and probabilities, from which the curve is drawn."""
    chances = [list(row) if hasattr(row, "__len__") else [row] for row in (y_probas if y_probas is not None else [])]
    names = classes_of(labels, max((len(row) for row in chances), default=0))
    rows = [[int(true), *row] for true, row in zip(y_true if y_true is not None else [], chances, strict=False)]
    return Table(columns=["true", *names], data=rows)


def _table(table: Any, *_: Any, **__: Any) -> Any:
    """Return the table of a chart."""
    return table


pr_curve = roc_curve
line = bar = scatter = histogram = _table


def plot_table(vega_spec_name: Any = None, data_table: Any = None, *_: Any, **__: Any) -> Any:
    """Return the table of a chart of one's own."""
    return data_table


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return stand_in(f"plot.{name}", name)
