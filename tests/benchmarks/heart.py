"""A model in training, and how its keeping is timed: what `bench_heart` and the peers share."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keepbest.checkpoint import CheckpointInfo
from keepbest.contract.base import new_id
from keepbest.snapshots.snapshot import ModelVariables, capture
from keepbest.snapshots.state import Position, State
from keepbest.training.network import describe_network

#: 134 MB of weights, 403 MB of state in 200 variables.
LAYERS, WIDTH = 33, 1008
BATCH = 64
ROUNDS = 7


class Bench:
    """Equal dense layers under Adam: six variables a layer, and two of Adam's own."""

    def __init__(self, folder: Path, *, width: int = WIDTH, layers: int = LAYERS) -> None:
        import keras
        import numpy as np

        dense = [keras.layers.Dense(width, "relu") for _ in range(layers)]
        self.model = keras.Sequential([keras.layers.Input((width,)), *dense])
        self.model.compile("adam", "mse")
        self.folder = folder
        self.x = np.random.default_rng(0).random((BATCH, width), dtype=np.float32)
        self.step()
        self.variables = ModelVariables(self.model)
        self.state = capture(self.variables, position=Position(1))
        self.network = describe_network(self.model)
        self.run = new_id()

    def __str__(self) -> str:
        return f"{self.state.size_bytes / 1e6:,.0f} MB of state in {len(self.variables):,} variables"

    def step(self) -> None:
        self.model.train_on_batch(self.x, self.x)

    def about(self) -> CheckpointInfo:
        return CheckpointInfo(self.run, datetime.now(UTC), network=self.network)

    def keep(self) -> State:
        return capture(self.variables, position=Position(2))

    def memcpy(self) -> Callable[[], object]:
        """Return what copies all values into memory that is warm."""
        import numpy as np

        whole = np.concatenate([np.asarray(value).reshape(-1).view(np.uint8) for value in self.state.values])
        target = np.empty_like(whole)
        return lambda: np.copyto(target, whole)


def milliseconds(
    action: Callable[[], object], before: Callable[[], object] = lambda: None, rounds: int = ROUNDS
) -> float:
    """Return the median time of `action`, each time after `before`; what it returns is freed outside the clock."""
    times = []
    for _ in range(rounds + 1):
        before()
        began = time.perf_counter()
        kept = action()
        times.append((time.perf_counter() - began) * 1e3)
        del kept
    return statistics.median(times[1:])


def show(what: str, ours: float, goal: str, peers: dict[str, float | str]) -> None:
    """Print our time, and the peers' with how many times ours they are; a word stands for one that is not there."""
    print(f"  {what:<36} {ours:8.2f} ms   goal {goal}", flush=True)
    for name, value in peers.items():
        if isinstance(value, str):
            print(f"      {name:<36} {value}", flush=True)
        else:
            ratio = f"{value / ours:8.1f} times ours" if ours > 0 else ""
            print(f"      {name:<36} {value:8.2f} ms {ratio}", flush=True)


def tf_checkpoint(bench: Bench) -> Any:
    import tensorflow as tf

    return tf.train.Checkpoint(model=bench.model, optimizer=bench.model.optimizer)
