"""How others keep a new best: what training waits for with each of them, in this process, on the same model."""

from __future__ import annotations

import shutil
from typing import Any

from tests.benchmarks.heart import Bench, milliseconds, tf_checkpoint


def time_peers(bench: Bench, rounds: int) -> dict[str, float | str]:
    """Return what each makes training wait, in milliseconds, right after a step; or why it is not there."""
    keepers = {
        "Keras EarlyStopping (weights only)": bench.model.get_weights,
        "ModelCheckpoint .keras": lambda: bench.model.save(bench.folder / "m.keras"),
        "ModelCheckpoint weights": lambda: bench.model.save_weights(bench.folder / "m.weights.h5"),
        "tf.train.Checkpoint": lambda: tf_checkpoint(bench).write(str(bench.folder / "tf")),
    }
    found: dict[str, float | str] = {
        name: milliseconds(keep, before=bench.step, rounds=rounds) for name, keep in keepers.items()
    }
    return {**found, **time_orbax(bench, rounds), "memcpy": milliseconds(bench.memcpy(), bench.step, rounds)}


def time_orbax(bench: Bench, rounds: int) -> dict[str, float | str]:
    """Orbax takes arrays, so the values are taken out of TensorFlow first: its user would have to do so too."""
    try:
        import orbax.checkpoint as orbax
    except ImportError:
        return {"Orbax": "not installed: pip install orbax-checkpoint"}
    folder, keeper = bench.folder / "orbax", orbax.StandardCheckpointer()

    def save() -> None:
        keeper.save(folder, {str(place): array for place, array in enumerate(_arrays(bench))})

    def clear() -> None:
        keeper.wait_until_finished()
        shutil.rmtree(folder, ignore_errors=True)
        bench.step()

    def save_and_wait() -> None:
        save()
        keeper.wait_until_finished()

    waits = {"Orbax, in the background": save, "Orbax, until it is on disk": save_and_wait}
    found: dict[str, float | str] = {name: milliseconds(keep, clear, rounds) for name, keep in waits.items()}
    keeper.close()
    return found


def _arrays(bench: Bench) -> list[Any]:
    return [variable.numpy() for variable in (*bench.model.variables, *bench.model.optimizer.variables)]
