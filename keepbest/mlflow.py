"""A Keras callback for scripts that report to keepbest by MLflow's client: it ends a training that was told to stop.

It needs Keras and MLflow's client, and nothing else of keepbest's extras.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import keras
import mlflow

#: The tag in which keepbest answers why the run was told to stop, and the one in which this callback says it obeyed.
STOP, STOPPED = "keepbest.stop", "keepbest.stopped"


class StopWhenTold(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """End training once keepbest has told the run to stop: by its stopper, by a rule of its project, or by a person.

    MLflow's client reports and is told nothing, so this callback asks at the end of each epoch. It stands behind the
    callback that reports the epoch. A tracker that does not answer never ends a training.

    Args:
        run_id: The run to ask about; without it the one that is active when training begins.

    Example:
        >>> model.fit(x, y, validation_split=0.1, epochs=1000,  # doctest: +SKIP
        ...           callbacks=[mlflow.keras.MlflowCallback(), StopWhenTold()])
    """

    def __init__(self, run_id: str | None = None) -> None:
        super().__init__()
        self.run_id = run_id
        #: Why training was ended: `"patience: no better val_loss …"`; None while nothing ended it.
        self.told: str | None = None
        self._asked: str | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Note which run this training reports to."""
        active = mlflow.active_run()
        self.told, self._asked = None, self.run_id or (active and active.info.run_id)
        if self._asked is None:
            warnings.warn("StopWhenTold: no run of MLflow is active, so there is none to ask about.", stacklevel=2)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Ask, and end training if so told."""
        if self._asked is None:
            return
        try:
            self.told = self._ask(self._asked)
        except mlflow.exceptions.MlflowException as error:
            warnings.warn(f"StopWhenTold: keepbest did not answer: {error}", stacklevel=2)
        if self.told is not None:
            self.model.stop_training = True

    def _ask(self, run_id: str) -> str | None:
        """Return why the run was told to stop, after saying that it does."""
        mlflow.flush_async_logging()  # the values of this epoch may wait in a queue
        client = mlflow.MlflowClient()
        told: str | None = client.get_run(run_id).data.tags.get(STOP)
        if told is not None:
            client.set_tag(run_id, STOPPED, told)
        return told
