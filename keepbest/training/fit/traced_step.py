"""Keras trains with the step that it traced, and the optimizer that it built: what becomes trainable later reaches
neither, and what no longer is may go on being trained.
"""

from __future__ import annotations

import logging
from typing import Any

from keepbest.snapshots.averages import innermost

_SHOWN = 5

_log = logging.getLogger("keepbest")


class TracedStep:
    """Warns where a model trains other variables than it says: after `enable_lora`, `quantize`, `trainable = False`."""

    def __init__(self) -> None:
        self._function: Any = None
        self._trainable: dict[int, Any] = {}

    def check(self, model: Any) -> None:
        """Compare with the last call, which came before the step was traced: at the begin of a fit.

        A step that is new here, in a fit after others or after `quantize`, is compared with what the optimizer moved.
        """
        function = getattr(model, "train_function", None)
        if function is None:
            return
        now = {id(trainable_variable): trainable_variable for trainable_variable in model.trainable_variables}
        before = self._trainable if function is self._function else _moved(model)
        has_changed = before.keys() != now.keys() if function is self._function else bool(before.keys() - now.keys())
        if has_changed:
            _log.warning(
                "keepbest: %s. Keras goes on with the step and the optimizer that it made before, for what was "
                "trainable then: call model.compile(…) after enable_lora, quantize or another change of what is "
                "trainable.",
                _describe(before, now),
            )
        self._function, self._trainable = function, now


def _moved(model: Any) -> dict[int, Any]:
    """Return what a model's optimizer was built for; nothing where the model has a training step of its own."""
    import keras

    if type(model).train_step is not keras.Model.train_step or getattr(model, "optimizer", None) is None:
        return {}
    return {id(item): item for item in getattr(innermost(model.optimizer), "_trainable_variables", ())}


def _describe(before: dict[int, Any], now: dict[int, Any]) -> str:
    gone = [item.path for key, item in before.items() if key not in now]
    new = [item.path for key, item in now.items() if key not in before]
    parts = [("no longer trainable", gone), ("trainable now", new)]
    return "; ".join(f"{word}: {_list(paths)}" for word, paths in parts if paths)


def _list(paths: list[str]) -> str:
    rest = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + rest
