"""A model without an Input layer has no variables before its first step.

Found by hand: `fit` raised "Unknown variable … This optimizer can only be called for the variables it was originally
built with", because the optimizer was built for no variables at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from keepbest.checkpoint import Store
from tests.support.callbacks import heard_run


def network() -> Any:
    import keras

    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


def fit(model: Any, epochs: int, **arguments: Any) -> Any:
    from keepbest.keras import KeepBest

    draw = np.random.default_rng(0)
    x, y = draw.random((24, 2, 2), dtype=np.float32), draw.random((24, 1), dtype=np.float32)
    callback = KeepBest("loss", patience=50, **arguments)
    model.fit(x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0, callbacks=[callback])
    return callback


def weights(model: Any) -> list[bytes]:
    return [variable.numpy().tobytes() for variable in [*model.variables, *model.optimizer.variables]]


def test_an_unbuilt_model_is_taken_up_and_goes_on_elsewhere(tmp_path: Path) -> None:
    straight = network()
    fit(straight, 4, store=False)

    run, _, _ = heard_run()
    first = fit(network(), 2, run=run, store=tmp_path)
    assert first.best_step == 6
    assert [manifest.step for manifest in Store(tmp_path).manifests(run.id)] == [6]
    again = network()
    second = fit(again, 4, run=run.id, store=tmp_path, resume=True)  # two of them are trained already
    assert second.position.step == 12
    assert weights(again) == weights(straight)
