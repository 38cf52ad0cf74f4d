"""A loop over one variable. An earlier version ran it to make `data/`, and a test goes on with it by this version.

Usage: python script.py METHOD ROUND. METHOD is the name of the loop's method that reports a validation. In the first
round the process ends in the middle, without a word; in the second it goes on to the end.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import keepbest

RUN, EVERY, BEST = "0ear1yer0rvn", 10, 30
STOPPER = "patience(checks=6) | upcrossing(strip=2, times=4)"


def measure(step: int) -> float:
    """Return the loss at a step: it falls up to BEST, and rises from there."""
    return 1 + abs(step - BEST) / 100


def main(method: str, goes_on: bool) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    kept = {"weights": tf.Variable([0.0, 0.0])}
    with keepbest.init("earlier", "in flight", monitor="val_loss", mode="min", stopper=STOPPER, id=RUN) as run:
        loop = keepbest.Loop(run, kept)
        print("begins after", loop.step, flush=True)
        for step in loop:
            kept["weights"].assign_add([1.0, 0.5])
            run.log({"loss": 1 / step}, step=step)
            if step % EVERY == 0:
                getattr(loop, method)(step, measure(step), n=50)
                print(f"{step} {kept['weights'].numpy().tolist()}", flush=True)
            if not goes_on:
                wait_at(step)
        print("stopped at", step, run.decision.message if run.decision else "", flush=True)


def wait_at(step: int) -> None:
    """Let whoever makes the data end the tracker after 40, and end this process after 60."""
    if step == 40:
        time.sleep(3)  # what was said arrives
        Path("at-40").touch()
        while not Path("tracker-is-gone").exists():
            time.sleep(0.1)
    if step == 65:
        time.sleep(2)  # what was said is in the journal
        os._exit(9)


if __name__ == "__main__":
    main(sys.argv[1], goes_on=sys.argv[2] == "second")
