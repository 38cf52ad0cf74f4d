"""What one `run.log` costs the thread that trains, while the uploader writes and sends.

Run with `python -m tests.benchmarks.bench_run_log`.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from keepbest.tracking.init import init
from keepbest.tracking.run import Run
from tests.support.tiny_tracker import settings_of, tiny_tracker

CALLS = 20_000
ROUNDS = 7
PEERS = "Trackio 7 us, Aim 106 us, FastTrackML 2.7 ms, MLflow 56 ms (another day, the same kind of machine)"


def microseconds(log: Callable[[int], None], first: int) -> float:
    """Return the time of one call, over `CALLS` calls without a pause."""
    began = time.perf_counter()
    for step in range(first, first + CALLS):
        log(step)
    return (time.perf_counter() - began) / CALLS * 1e6


def measure(run: Run) -> tuple[float, float]:
    """Return the median cost of logging one and five metrics."""
    five = {f"metric {i}": 0.5 for i in range(5)}
    one_key = [microseconds(lambda step: run.log({"loss": 0.5}, step=step), CALLS * i) for i in range(ROUNDS)]
    five_keys = [microseconds(lambda step: run.log(five, step=step), CALLS * i) for i in range(ROUNDS)]
    return statistics.median(one_key), statistics.median(five_keys)


def between_steps(log: Callable[[int], None]) -> float:
    """Return the median cost of a call where other work (a matrix product of about 1 ms) has emptied the caches."""
    work = np.random.default_rng(0).standard_normal((400, 400))
    costs = []
    for step in range(1_000):
        work @ work
        began = time.perf_counter()
        log(step)
        costs.append(time.perf_counter() - began)
    return statistics.median(costs) * 1e6


def main() -> None:
    logging.disable(logging.WARNING)  # that an offline run is kept somewhere is no news here
    print(f"run.log in the training thread; goal: at most 5 us. Peers: {PEERS}")
    with tempfile.TemporaryDirectory() as folder, tiny_tracker() as tracker:
        nothing = between_steps(lambda step: None)
        for mode in ("online", "offline", "disabled"):
            with init(settings=settings_of(Path(folder) / mode, tracker.url, mode), mode="max") as run:
                one, five = measure(run)
                cold = between_steps(lambda step: run.log({"loss": 0.5}, step=step))
            print(f"  {mode:<9} {one:5.2f} us one metric, {five:5.2f} us five, without a pause")
            print(f"  {'':<9} {cold:5.2f} us one metric between steps (a function that does nothing: {nothing:.2f} us)")


if __name__ == "__main__":
    main()
