"""Keras trains with the step that it traced: what a model's trainable variables become later does not reach it."""

from __future__ import annotations

import logging
from typing import Any

_SHOWN = 5

_log = logging.getLogger("keepbest")


class TracedStep:
    """Warns where a model trains other variables than it says: after `enable_lora`, `quantize`, `trainable = False`."""

    def __init__(self) -> None:
        self._function: Any = None
        self._trainable: dict[int, Any] = {}

    def check(self, model: Any) -> None:
        """Compare with the last call, which came before the step was traced: at the begin of a fit."""
        function = getattr(model, "train_function", None)
        if function is None:
            return
        trainable = {id(one): one for one in model.trainable_variables}
        if function is self._function and trainable.keys() != self._trainable.keys():
            _log.warning(
                "keepbest: %s. Keras goes on with the step that it traced before, and trains what was trainable then: "
                "call model.compile(…) after enable_lora, quantize or another change of what is trainable.",
                self._describe(trainable),
            )
            return
        self._function, self._trainable = function, trainable

    def _describe(self, now: dict[int, Any]) -> str:
        gone = [one.path for key, one in self._trainable.items() if key not in now]
        new = [one.path for key, one in now.items() if key not in self._trainable]
        parts = [("no longer trainable", gone), ("trainable now", new)]
        return "; ".join(f"{word}: {_list(paths)}" for word, paths in parts if paths)


def _list(paths: list[str]) -> str:
    rest = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + rest
