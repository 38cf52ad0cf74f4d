"""Keeping, rolling back and restoring the best, beside Keras, TensorFlow, Orbax and a plain memcpy, in one process.

Run with `python -m tests.benchmarks.bench_heart [--sizes] [--only PART] [--quick]`; `--sizes` also keeps states of
10 MB to 1 GB, and one of 2,000 small variables. The process starts itself once more with the three MALLOC_ variables
that a worker sets for its trainers; `--default-malloc` shows it without.
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
from pathlib import Path

from keepbest.checkpoint import CheckpointWriter, Store
from keepbest.snapshots.snapshot import roll_back
from keepbest.snapshots.state import State
from tests.benchmarks.heart import LAYERS, ROUNDS, WIDTH, Bench, milliseconds, show, tf_checkpoint
from tests.benchmarks.peers import time_peers
from worker.settings import MALLOC

QUICK_WIDTH = 128
STEPS_PER_WRITE = 8
#: Width and number of layers: 10 MB, 100 MB, 1 GB, and 2,000 variables of 16 x 16 at most.
SIZES = ((158, LAYERS), (502, LAYERS), (1588, LAYERS), (16, 333))
SIZE_ROUNDS = 3


def bench_keeping(bench: Bench, rounds: int = ROUNDS) -> None:
    writer = CheckpointWriter(Store(bench.folder / "blocked"))

    def keep_and_hand_over() -> State:
        state = bench.keep()
        writer.submit(state, bench.about())
        return state

    def rest_and_step() -> None:
        writer.drain()
        bench.step()

    blocked = milliseconds(keep_and_hand_over, rest_and_step, rounds)
    warm = milliseconds(bench.keep, bench.keep, rounds)
    writer.close()
    show("training blocked by a new best", blocked, "<= 1 ms", {"the snapshot alone, caches warm": warm})
    peers = time_peers(bench, rounds)
    show("  the same beside", blocked, "", peers)
    alone, after = milliseconds(bench.step, rounds=rounds), _step_after_keeping(bench, rounds)
    show("the next step is longer by", after - alone, f"<= a memcpy, {peers['memcpy']:.1f} ms", {"a step": alone})


def _step_after_keeping(bench: Bench, rounds: int) -> float:
    held: list[State] = []

    def keep() -> None:
        held[:] = [bench.keep()]

    return milliseconds(bench.step, keep, rounds)


def bench_writing(bench: Bench) -> None:
    """Time a stretch of steps with and without a write beside it, in turns. The writer's share of processor time is
    told too: other programs on the machine disturb it far less."""
    writer = CheckpointWriter(Store(bench.folder / "beside"))
    alone, beside = [], []
    for _ in range(ROUNDS + 1):
        alone.append(_stretch(bench, writer, lambda: None))
        beside.append(_stretch(bench, writer, lambda: writer.submit(bench.keep(), bench.about())))
    writer.close()
    pairs = list(zip(alone[1:], beside[1:], strict=True))
    lost = statistics.median(after[0] - before[0] for before, after in pairs)
    seconds, busy = zip(*alone[1:], strict=True)
    extra = {
        "fastest with less fastest without": min(after[0] for _, after in pairs) - min(seconds),
        "processor time of it": statistics.median(after[1] for _, after in pairs) - statistics.median(busy),
        f"{STEPS_PER_WRITE} steps alone": statistics.median(seconds),
    }
    show("a background write costs training", lost, "<= 80 ms", extra)


def _stretch(bench: Bench, writer: CheckpointWriter, begin: Callable[[], object]) -> tuple[float, float]:
    """Return how long some steps take, and the processor time until what was begun is done too."""
    busy, began = time.process_time(), time.perf_counter()
    begin()
    for _ in range(STEPS_PER_WRITE):
        bench.step()
    took = time.perf_counter() - began
    writer.drain()
    return took * 1e3, (time.process_time() - busy) * 1e3


def bench_rolling_back(bench: Bench) -> None:
    weights = bench.model.get_weights()
    ours = milliseconds(lambda: roll_back(bench.variables, bench.state), before=bench.step)
    theirs = milliseconds(lambda: bench.model.set_weights(weights), before=bench.step)
    show("roll back in memory, full state", ours, "<= 5 ms", {"Keras set_weights (weights only)": theirs})


def bench_restoring(bench: Bench) -> None:
    store = Store(bench.folder / "store")
    written = store.write(bench.keep(), bench.about())
    bench.model.save_weights(bench.folder / "r.weights.h5")
    tf_checkpoint(bench).write(str(bench.folder / "r"))
    os.sync()  # nobody's reading waits for somebody's writing

    def restore() -> None:
        Store(store.folder.root).load(bench.run, written.manifest.id).load_into(bench.model)

    ours = milliseconds(restore)
    peers: dict[str, float | str] = {
        "Keras .weights.h5": milliseconds(lambda: bench.model.load_weights(bench.folder / "r.weights.h5")),
        "tf.train.Checkpoint": milliseconds(lambda: tf_checkpoint(bench).read(str(bench.folder / "r"))),
    }
    show("restore from disk, digests checked", ours, "<= 120 ms, half Keras'", peers)


PARTS: dict[str, Callable[[Bench], None]] = {
    "keeping": bench_keeping,
    "writing": bench_writing,
    "rolling-back": bench_rolling_back,
    "restoring": bench_restoring,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small models, to see that it runs")
    parser.add_argument("--sizes", action="store_true", help="keep states of other sizes too")
    parser.add_argument("--only", choices=PARTS, help="one part, at 403 MB")
    parser.add_argument("--default-malloc", action="store_true")
    options = parser.parse_args()
    if not options.default_malloc and any(os.environ.get(name) != value for name, value in MALLOC.items()):
        again = [sys.executable, "-m", "tests.benchmarks.bench_heart", *sys.argv[1:]]
        sys.exit(subprocess.run(again, env=os.environ | MALLOC, check=False).returncode)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), width=QUICK_WIDTH if options.quick else WIDTH)
        print(f"The heart: {bench}; medians of {ROUNDS}", flush=True)
        for name in [options.only] if options.only else PARTS:
            PARTS[name](bench)
    del bench
    for width, layers in SIZES if options.sizes else ():
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder), width=min(width, QUICK_WIDTH) if options.quick else width, layers=layers)
            print(f"The heart: {bench}; medians of {SIZE_ROUNDS}", flush=True)
            bench_keeping(bench, SIZE_ROUNDS)


if __name__ == "__main__":
    main()
