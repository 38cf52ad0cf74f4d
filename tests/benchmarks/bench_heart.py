"""Keeping, rolling back and restoring the best, beside Keras, TensorFlow and a plain memcpy, in one process.

Run with `python -m tests.benchmarks.bench_heart [--quick] [--width N]`. The process starts itself once more with the
three MALLOC_ variables that a worker sets for its trainers; `--default-malloc` shows it without.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keepbest.checkpoint import About, Store, Writer
from keepbest.contract.base import new_id
from keepbest.looker import describe_network
from keepbest.snapshot import Variables, capture, roll_back
from keepbest.state import Position, State
from worker.settings import MALLOC

LAYERS = 33
#: 134 MB of weights, 403 MB of state in 200 variables.
WIDTH = 1008
QUICK_WIDTH = 128
BATCH = 64
ROUNDS = 7
STEPS_PER_WRITE = 8


class Bench:
    """A model in training, what is measured on it, and the table."""

    def __init__(self, width: int, folder: Path) -> None:
        import keras
        import numpy as np

        layers = [keras.layers.Dense(width, "relu") for _ in range(LAYERS)]
        self.model = keras.Sequential([keras.layers.Input((width,)), *layers])
        self.model.compile("adam", "mse")
        self.folder = folder
        self.x = np.random.default_rng(0).random((BATCH, width), dtype=np.float32)
        self.step()
        self.variables = Variables(self.model)
        self.state = capture(self.variables, position=Position(1))
        self.network = describe_network(self.model)
        self.run = new_id()

    def step(self) -> None:
        self.model.train_on_batch(self.x, self.x)

    def about(self) -> About:
        return About(self.run, datetime.now(UTC), network=self.network)

    def keep(self) -> State:
        return capture(self.variables, position=Position(2))


def milliseconds(action: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """Return the median time of `action`, each time after `before`; what it returns is freed outside the clock."""
    times = []
    for _ in range(ROUNDS + 1):
        before()
        began = time.perf_counter()
        kept = action()
        times.append((time.perf_counter() - began) * 1e3)
        del kept
    return statistics.median(times[1:])


def show(what: str, ours: float, goal: str, peers: dict[str, float]) -> None:
    print(f"  {what:<36} {ours:8.2f} ms   goal {goal}", flush=True)
    for name, value in peers.items():
        ratio = f"{value / ours:8.1f} times ours" if ours > 0 else ""
        print(f"      {name:<36} {value:8.2f} ms {ratio}", flush=True)


def bench_keeping(bench: Bench) -> None:
    memcpy = _memcpy(bench)
    writer = Writer(Store(bench.folder / "blocked"))

    def keep_and_hand_over() -> State:
        state = bench.keep()
        writer.submit(state, bench.about())
        return state

    blocked = milliseconds(keep_and_hand_over, before=writer.drain)
    writer.close()
    peers = {
        "Keras EarlyStopping (weights only)": milliseconds(bench.model.get_weights),
        "ModelCheckpoint .keras": milliseconds(lambda: bench.model.save(bench.folder / "m.keras")),
        "ModelCheckpoint weights": milliseconds(lambda: bench.model.save_weights(bench.folder / "m.weights.h5")),
        "tf.train.Checkpoint": milliseconds(lambda: _tf_checkpoint(bench).write(str(bench.folder / "tf"))),
        "memcpy": memcpy,
    }
    show("training blocked by a new best", blocked, "<= 1 ms", peers)
    alone, after = milliseconds(bench.step), _step_after_keeping(bench)
    show("the next step is longer by", after - alone, f"<= a memcpy, {memcpy:.0f} ms", {"a step": alone})


def _memcpy(bench: Bench) -> float:
    """Return the time of copying all values into memory that is warm."""
    import numpy as np

    whole = np.concatenate([np.asarray(value).reshape(-1).view(np.uint8) for value in bench.state.values])
    target = np.empty_like(whole)
    return milliseconds(lambda: np.copyto(target, whole))


def _step_after_keeping(bench: Bench) -> float:
    held: list[State] = []

    def keep() -> None:
        held[:] = [bench.keep()]

    return milliseconds(bench.step, before=keep)


def bench_writing(bench: Bench) -> None:
    """Time a stretch of steps with and without a write beside it, in turns."""
    writer = Writer(Store(bench.folder / "beside"))
    alone, beside = [], []
    for _ in range(ROUNDS):
        alone.append(_stretch(bench, lambda: None))
        beside.append(_stretch(bench, lambda: writer.submit(bench.keep(), bench.about())))
        writer.drain()
    writer.close()
    lost = statistics.median(beside) - statistics.median(alone)
    show(
        "a background write costs training",
        lost,
        "<= 80 ms",
        {f"{STEPS_PER_WRITE} steps alone": statistics.median(alone)},
    )


def _stretch(bench: Bench, begin: Callable[[], object]) -> float:
    began = time.perf_counter()
    begin()
    for _ in range(STEPS_PER_WRITE):
        bench.step()
    return (time.perf_counter() - began) * 1e3


def bench_rolling_back(bench: Bench) -> None:
    weights = bench.model.get_weights()
    ours = milliseconds(lambda: roll_back(bench.variables, bench.state), before=bench.step)
    theirs = milliseconds(lambda: bench.model.set_weights(weights), before=bench.step)
    show("roll back in memory, full state", ours, "<= 5 ms", {"Keras set_weights (weights only)": theirs})


def bench_restoring(bench: Bench) -> None:
    store = Store(bench.folder / "store")
    written = store.write(bench.keep(), bench.about())
    os.sync()  # nobody's reading waits for somebody's writing

    def restore() -> None:
        Store(store.folder.root).load(bench.run, written.manifest.id).load_into(bench.model)

    ours = milliseconds(restore)
    peers = {
        "Keras .weights.h5": milliseconds(lambda: bench.model.load_weights(bench.folder / "m.weights.h5")),
        "tf.train.Checkpoint": milliseconds(lambda: _tf_checkpoint(bench).read(str(bench.folder / "tf"))),
    }
    show("restore from disk, digests checked", ours, "<= 120 ms, half Keras'", peers)


def _tf_checkpoint(bench: Bench) -> Any:
    import tensorflow as tf

    return tf.train.Checkpoint(model=bench.model, optimizer=bench.model.optimizer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small model, to see that it runs")
    parser.add_argument("--width", type=int, help="units of each of the 33 layers")
    parser.add_argument("--default-malloc", action="store_true")
    options = parser.parse_args()
    if not options.default_malloc and any(os.environ.get(name) != value for name, value in MALLOC.items()):
        again = [sys.executable, "-m", "tests.benchmarks.bench_heart", *sys.argv[1:]]
        sys.exit(subprocess.run(again, env=os.environ | MALLOC, check=False).returncode)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.width or (QUICK_WIDTH if options.quick else WIDTH), Path(folder))
        size = f"{bench.state.size_bytes / 1e6:.0f} MB of state in {len(bench.variables)} variables"
        print(f"The heart: {size}; medians of {ROUNDS}", flush=True)
        for part in (bench_keeping, bench_writing, bench_rolling_back, bench_restoring):
            part(bench)


if __name__ == "__main__":
    main()
