"""Warns when Keras trains with an outdated step.

Keras traces the step and builds the optimizer for the variables that are trainable then. Neither notices variables that
become trainable later, and both may go on training variables that no longer are.
"""

from __future__ import annotations

import logging
from typing import Any

from keepbest.snapshots.averages import innermost

_SHOWN = 5

_log = logging.getLogger("keepbest")


class TracedStep:
    """Warns if a model trains other variables than its trainable ones: after `enable_lora`, `trainable = False` …"""

    def __init__(self) -> None:
        self._function: Any = None
        self._trainable: dict[int, Any] = {}

    def check(self, model: Any) -> None:
        """Compare the trainable variables with those of the last call, when the step was not traced yet.

        If the step is new since, in a later fit or after `quantize`, compare them with the optimizer's variables.
        """
        function = getattr(model, "train_function", None)
        if function is None:
            return
        now = {id(variable): variable for variable in model.trainable_variables}
        before = self._trainable if function is self._function else _moved(model)
        has_changed = before.keys() != now.keys() if function is self._function else bool(before.keys() - now.keys())
        if has_changed:
            _log.warning(
                "keepbest: %s. Keras goes on with the step and the optimizer that it made for the variables trainable "
                "before: call model.compile(…) after enable_lora, quantize or another change of trainable variables.",
                _describe(before, now),
            )
        self._function, self._trainable = function, now


def _moved(model: Any) -> dict[int, Any]:
    """Return the variables for which a model's optimizer was built; none if the model has its own training step."""
    import keras

    if type(model).train_step is not keras.Model.train_step or getattr(model, "optimizer", None) is None:
        return {}
    return {id(item): item for item in getattr(innermost(model.optimizer), "_trainable_variables", ())}


def _describe(before: dict[int, Any], now: dict[int, Any]) -> str:
    gone = [item.path for key, item in before.items() if key not in now]
    new = [item.path for key, item in now.items() if key not in before]
    parts = [("no longer trainable", gone), ("trainable now", new)]
    more = {word: f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "" for word, paths in parts}
    return "; ".join(f"{word}: {', '.join(paths[:_SHOWN])}{more[word]}" for word, paths in parts if paths)
