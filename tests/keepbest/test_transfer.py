"""Transfer learning: the frozen base is stored once, and every later checkpoint costs only the head."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from keepbest.checkpoint import Store
from keepbest.contract.batches import CheckpointDurable
from keepbest.contract.policies import RetentionSpec
from tests.support.callbacks import heard_run

EPOCHS = 4


def test_each_checkpoint_after_the_first_costs_the_head(tmp_path: Path) -> None:
    import keras

    from keepbest.keras import KeepBest

    keras.utils.set_random_seed(3)
    layers = keras.layers
    base = keras.Sequential([layers.Input((64,)), layers.Dense(512, "relu"), layers.Dense(512, "relu")], name="base")
    base.trainable = False
    model = keras.Sequential([base, layers.Dense(4, name="head")])
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    head_bytes = 3 * sum(variable.numpy().nbytes for variable in model.trainable_variables)  # and Adam's two slots
    draw = np.random.default_rng(0)
    x, y = draw.random((64, 64), dtype=np.float32), draw.integers(0, 4, 64)

    run, uploader, _ = heard_run()
    callback = KeepBest("loss", patience=9, run=run, store=tmp_path, retention=RetentionSpec(last=EPOCHS))
    written = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: callback.keeper.drain(20))
    model.fit(x, y, epochs=EPOCHS, verbose=0, callbacks=[callback, written])

    first, *later = uploader.of(CheckpointDurable)
    assert len(later) == EPOCHS - 1
    base_bytes = sum(variable.numpy().nbytes for variable in base.variables)
    assert first.written_bytes > base_bytes
    for said in later:
        manifest_bytes = (tmp_path / "runs" / run.id / f"{said.id}.json").stat().st_size
        pack_header_bytes = 4096
        assert head_bytes <= said.written_bytes - manifest_bytes < head_bytes + pack_header_bytes < base_bytes / 10
    on_disk = sum(path.stat().st_size for path in (tmp_path / "objects").rglob("*") if path.is_file())
    assert on_disk < base_bytes + EPOCHS * (head_bytes + 8192)
    assert all(Store(tmp_path).load(run.id, said.id) is not None for said in later)
