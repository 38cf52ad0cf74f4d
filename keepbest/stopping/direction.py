"""Which way a metric gets better, by its name, for losses and Keras' metrics. For others the user names the mode."""

from __future__ import annotations

import re
from collections.abc import Iterable

from keepbest.stopping.validation import Mode

#: The names by which Keras logs its own metrics, and the short names that Keras takes for some.
_DOWN = frozenset((
    "binary_crossentropy", "categorical_crossentropy", "categorical_hinge", "hinge", "kl_divergence", "logcosh",
    "mae", "mape", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error",
    "mean_squared_logarithmic_error", "mse", "msle", "poisson", "root_mean_squared_error",
    "sparse_categorical_crossentropy", "squared_hinge",
))  # fmt: skip
_UP = frozenset((
    "acc", "accuracy", "auc", "binary_accuracy", "binary_io_u", "categorical_accuracy", "concordance_correlation",
    "cosine_similarity", "f1_score", "fbeta_score", "io_u", "mean_io_u", "one_hot_io_u", "one_hot_mean_io_u",
    "pearson_correlation", "precision", "precision_at_recall", "r2_score", "recall", "recall_at_precision",
    "sensitivity_at_specificity", "sparse_categorical_accuracy", "sparse_top_k_categorical_accuracy",
    "specificity_at_sensitivity", "top_k_categorical_accuracy",
))  # fmt: skip


def find_mode(monitor: str) -> Mode | None:
    """Return "min" or "max", or None if the name does not tell. Element 2 of a vector is named `val_f1_score[2]`."""
    # Keras numbers further metrics of one name: auc_1.
    name = re.sub(r"_\d+$", "", monitor.partition("[")[0].removeprefix("val_"))
    if name == "loss" or name.endswith("_loss") or name in _DOWN:
        return "min"
    return "max" if name in _UP else None


def choose_monitor(keys: Iterable[str]) -> str | None:
    """Return which of a run's metrics to watch where nobody says it, or None.

    That is `val_loss`, else the first one whose name begins with `val_` and tells which way it gets better.

    >>> choose_monitor(["loss", "val_accuracy", "val_dice"]), choose_monitor(["loss"])
    ('val_accuracy', None)
    """
    named = list(keys)
    if "val_loss" in named:
        return "val_loss"
    return next((key for key in named if key.startswith("val_") and find_mode(key)), None)
