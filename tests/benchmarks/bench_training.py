"""What keepbest costs a training: the tutorial's network by plain Keras, and with `KeepBest`, in turn, in one process.

With keepbest each validation is judged, each best goes to memory and to disk, and every metric is journaled and sent to
a real tracker on the same cores. The time that both spend on the validation set is left out. Run with `python -m
tests.benchmarks.bench_training`.
"""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keepbest.keras import KeepBest
from keepbest.tracking.init import init
from tests.benchmarks.bench_tracker import Server
from tests.support.tiny_tracker import settings_of
from worker.data.digits import load_digits
from worker.data.splits import Part
from worker.recipes.hvass import build_cnn

STEPS_PER_VALIDATION = 100
VALIDATIONS = 5
ROUNDS = 5


class Validations(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Sums the time that goes into the validation set."""

    seconds = 0.0
    _began = 0.0

    def on_test_begin(self, logs: Any = None) -> None:
        self._began = time.perf_counter()

    def on_test_end(self, logs: Any = None) -> None:
        self.seconds += time.perf_counter() - self._began


class Bench:
    """The tutorial's network on the embedded digits, at the size of the tutorial's images: 28 x 28."""

    def __init__(self) -> None:
        split = load_digits()
        enlarged = replace(split, train=enlarge(split.train), validation=enlarge(split.validation))
        training = build_cnn(enlarged)
        self.model, self.data, self.validation = training.model, training.train, training.validation

    def fit(self, *callbacks: Any) -> float:
        """Return the seconds that a training takes, without those of its validations."""
        validations = Validations()
        endless = tf.data.Dataset.from_tensor_slices(self.data).repeat().batch(64).prefetch(1)
        began = time.perf_counter()
        self.model.fit(
            endless,
            steps_per_epoch=STEPS_PER_VALIDATION,
            epochs=VALIDATIONS,
            shuffle=False,
            validation_data=self.validation,
            validation_batch_size=256,
            callbacks=[validations, *callbacks],
            verbose=0,
        )
        return time.perf_counter() - began - validations.seconds


def enlarge(part: Part) -> Part:
    """Return images of 8 x 8 as 28 x 28: each pixel three by three, with a margin of two."""
    large = part.x.repeat(3, axis=1).repeat(3, axis=2)
    return Part(np.pad(large, ((0, 0), (2, 2), (2, 2), (0, 0))), part.y)


def measure(bench: Bench, server: Server, folder: Path) -> list[tuple[float, float]]:
    """Return the seconds of plain Keras and of Keras with keepbest, round by round."""
    token = (server.folder / "admin-token").read_text().strip()
    settings = settings_of(folder, f"http://127.0.0.1:{server.port}", token=token)
    rounds = []
    for _ in range(ROUNDS + 1):
        plain = bench.fit()
        with init(monitor="val_accuracy", mode="max", stopper="patience(checks=1000)", settings=settings) as run:
            rounds.append((plain, bench.fit(KeepBest(run=run, store=folder / "store"))))
    return rounds[1:]  # the first one compiles


def main() -> None:
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as place:
        server = Server(Path(place))
        server.start()
        try:
            rounds = measure(Bench(), server, Path(place) / "script")
        finally:
            server.stop()
    steps = STEPS_PER_VALIDATION * VALIDATIONS
    # Both keep every core busy, so whatever else runs slows either: the fastest round is the least disturbed one.
    plain, kept = (min(seconds) for seconds in zip(*rounds, strict=True))
    cost = (kept / plain - 1) * 100
    print(
        f"The tutorial's network, {steps} steps and {VALIDATIONS} validations a round (left out), fastest of {ROUNDS}"
    )
    print(f"  plain Keras                          {plain:8.2f} s    {plain / steps * 1e3:.1f} ms a step")
    print(f"  what keepbest adds, tracker included {cost:+8.2f} %    goal <= 1 %")
    spread = ", ".join(f"{(kept / plain - 1) * 100:+.1f}" for plain, kept in rounds)
    print(f"    round by round, in %: {spread}")


if __name__ == "__main__":
    main()
