"""Five trainings that break in five ways, each without `recover` and with it, and what going back costs.

make recoveries                 train all, write the tables of docs/explanation/recovery.md
make recoveries ONLY=sign       tell of some, with commas between; nothing is written
"""

from __future__ import annotations

import math
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import keepbest
from keepbest.figures import figure
from tests.support.processes import ROOT
from tests.tutorials.table import between, machine, make_row
from worker.data import load
from worker.recipes.hvass import build_cnn

PAGE = ROOT / "docs" / "explanation" / "recovery.md"
BEGIN = "<!-- measured by `make recoveries`: begin -->"
EPOCH, BATCH = 40, 64
TITLES = [
    "training",
    "breaks by",
    "`recover(…)`",
    "without",
    "with",
    "went back",
    "steps lost",
    "to the next good step",
]
Batches = Iterator[tuple[Any, Any]]


@dataclass(frozen=True)
class Breaking:
    """A training that breaks: how it is built, and the rule that helps it."""

    name: str
    says: str
    rule: str
    build: Callable[[], tuple[Any, Callable[[], Batches], tuple[Any, Any]]]
    epochs: int = 10


class Noting(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Notes the time and the bits of the weights at each step; the step is what `kept` says, if there is one."""

    def __init__(self, kept: Any = None, *, digests: bool = True) -> None:
        super().__init__()
        self._kept, self._digests = kept, digests
        self.digests: list[int] = []
        self.ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.ends.append(time.perf_counter())
        if self._digests:
            self.digests.append(zlib.crc32(b"".join(weight.tobytes() for weight in self.model.get_weights())))


class Slip(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Sets a rate of 1 before batch 150, once: a slip, as in a notebook."""

    def __init__(self) -> None:
        super().__init__()
        self._batches = 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._batches += 1
        if self._batches == 150:
            self.model.optimizer.learning_rate = 1.0


@dataclass(frozen=True)
class Outcome:
    """What a training came to: loss and accuracy on the validation set, and how it went back."""

    loss: float
    accuracy: float
    reason: str | None
    recoveries: list[tuple[int, int]]
    first_broken: int | None
    digests: list[int]
    ends: list[float]

    def __str__(self) -> str:
        loss = "NaN" if math.isnan(self.loss) else figure(self.loss, 4)
        return f"{loss}, {self.accuracy:.1%}{f' ({self.reason})' if self.reason else ''}"


def train(breaking: Breaking, stop: str) -> Outcome:
    """Train once; the data, the first weights and the seeds are the same at each call."""
    keras.utils.set_random_seed(1)
    model, draw, validation = breaking.build()
    slips = [Slip()] if breaking.name == "rate" else []
    kept = keepbest.KeepBest("val_loss", stopper=stop, store=False)
    noting = Noting()
    options: dict[str, Any] = {"steps_per_epoch": EPOCH, "epochs": breaking.epochs, "shuffle": False, "verbose": 0}
    model.fit(draw(), validation_data=validation, callbacks=[*slips, kept, noting], **options)
    measured = model.evaluate(*validation, verbose=0, return_dict=True)
    recoveries = [(item.step, item.to) for item in kept.run.stopper.recoveries]
    first = recoveries[0][0] if recoveries else None
    reason = None if kept.stop_reason is None else str(kept.stop_reason)
    return Outcome(measured["loss"], measured["accuracy"], reason, recoveries, first, noting.digests, noting.ends)


def row_of(breaking: Breaking) -> tuple[list[str], bool]:
    """Return the cells of a row, and whether both trainings had the same bits up to the jump."""
    without = train(breaking, "max_steps(1000000)")
    with_it = train(breaking, breaking.rule)
    broken = with_it.first_broken
    same = broken is not None and without.digests[: broken - 1] == with_it.digests[: broken - 1]
    back = ", ".join(f"{step:,} to {to:,}" for step, to in with_it.recoveries) or "never"
    lost = sum(step - to for step, to in with_it.recoveries)
    cells = [breaking.name, breaking.says, f"`{breaking.rule}`", str(without), str(with_it), back, f"{lost:,}"]
    return [*cells, _say_delay(with_it)], same


def _say_delay(outcome: Outcome) -> str:
    """Say how long the step after the first breakage took beside the usual step."""
    if outcome.first_broken is None:
        return "-"
    gaps = np.diff(outcome.ends) * 1000
    return f"{gaps[outcome.first_broken - 1]:.0f} ms (usually {np.median(gaps):.0f} ms)"


# The five trainings


def endless(x: Any, y: Any, poisoned: int | None = None, blank: int | None = None) -> Callable[[], Batches]:
    """Return shuffled batches without end; one of them is NaN, or has a blank image."""

    def draw() -> Batches:
        random = np.random.default_rng(0)
        number = 0
        while True:
            number += 1
            chosen = random.integers(len(x), size=BATCH)
            batch = (x[chosen] * (np.nan if number == poisoned else 1)).astype("float32")
            batch[0] *= number != blank
            yield batch, y[chosen]

    return draw


def compiled(model: Any, optimizer: Any, **options: Any) -> Any:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], **options)
    return model


def rate_too_high() -> Any:
    split = load("digits")
    training = build_cnn(split)
    training.model.optimizer.learning_rate = 1e-3
    return training.model, endless(*training.train), training.validation


def half_precision() -> Any:
    split = load("digits")
    layers = keras.layers
    with_half = {"dtype": "float16"}
    model = keras.Sequential(
        [
            layers.Input(split.train.x.shape[1:]),
            layers.Rescaling(16.0, **with_half),
            layers.Flatten(**with_half),
            *[layers.Dense(64, "relu", kernel_initializer="he_normal", **with_half) for _ in range(2)],
            layers.Dense(10, **with_half),
        ]
    )
    compiled(model, keras.optimizers.SGD(0.3, momentum=0.9), auto_scale_loss=False)
    return model, endless(split.train.x, split.train.y), (split.validation.x, split.validation.y)


def recurrent() -> Any:
    split = load("digits")
    x, held = (part.x.reshape(len(part), 32, 2) for part in (split.train, split.validation))
    layers = keras.layers
    unit = layers.SimpleRNN(32, "relu", recurrent_initializer=keras.initializers.Identity(1.1))
    model = keras.Sequential([layers.Input((32, 2)), unit, layers.Dense(10)])
    return compiled(model, keras.optimizers.SGD(0.05)), endless(x, split.train.y), (held, split.validation.y)


def poisoned_batch() -> Any:
    split = load("digits")
    layers = keras.layers
    sizes = [layers.Flatten(), layers.Dense(64, "tanh"), layers.Dense(10)]
    model = keras.Sequential([layers.Input(split.train.x.shape[1:]), *sizes])
    draw = endless(split.train.x, split.train.y, poisoned=203)
    return compiled(model, keras.optimizers.Adam(0.003)), draw, (split.validation.x, split.validation.y)


class Normalize(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Divides each image by its deviation, which is zero for a blank one."""

    def call(self, x: Any) -> Any:
        return (x - tf.reduce_mean(x, 1, keepdims=True)) / tf.math.reduce_std(x, 1, keepdims=True)


def divides_by_zero() -> Any:
    split = load("digits")
    layers = keras.layers
    sizes = [layers.Flatten(), Normalize(), layers.Dense(64, "tanh"), layers.Dense(10)]
    model = keras.Sequential([layers.Input(split.train.x.shape[1:]), *sizes])
    draw = endless(split.train.x, split.train.y, blank=303)
    return compiled(model, keras.optimizers.Adam(0.003)), draw, (split.validation.x, split.validation.y)


FIVE = (
    Breaking("rate", "a rate too high from step 150 on, `hvass-cnn`", "recover(0.5x, on=spike(z=20))", rate_too_high),
    Breaking("half", "half precision without loss scaling", "recover(learning_rate=0.1x)", half_precision),
    Breaking("recurrent", "a recurrent network without clipping", "recover(1x, global_clipnorm=1)", recurrent),
    Breaking("poison", "a batch of NaN, at step 203", "recover(learning_rate=1x)", poisoned_batch),
    Breaking("zero", "a layer that divides by zero, at a blank image", "recover(learning_rate=1x)", divides_by_zero),
)


# What it costs


def measure_step(stop: str, steps: int = 1000) -> float:
    """Return the microseconds of a step of a small network: the fastest tenth, which other programs disturb least."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.layers.Input((16,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    x = np.zeros((32, 16), "float32")
    kept, noting = keepbest.KeepBest("loss", mode="min", stopper=stop, store=False), Noting(digests=False)
    data = tf.data.Dataset.from_tensors((x, x[:, :1])).repeat()
    model.fit(data, epochs=1, steps_per_epoch=steps, verbose=0, callbacks=[kept, noting])
    return float(np.quantile(np.diff(noting.ends), 0.1)) * 1e6


def measure_large() -> tuple[float, float, float]:
    """Return, with 400 MB of state, the ms of a usual step, of the step after a breakage, and the MB."""
    keras.utils.set_random_seed(1)
    width = 5760
    model = keras.Sequential([keras.layers.Input((width,)), *[keras.layers.Dense(width) for _ in range(3)]])
    model.compile(keras.optimizers.SGD(1e-6), "mse")
    x = np.full((8, width), 0.1, "float32")

    def draw() -> Batches:
        for number in range(1, 1000):
            yield (x * np.nan if number in (13, 16, 19) else x), x

    kept = keepbest.KeepBest("loss", mode="min", stopper="recover(1x, to=1, times=9)", store=False)
    noting = Noting(digests=False)
    options: dict[str, Any] = {"steps_per_epoch": 10, "epochs": 3, "shuffle": False, "verbose": 0}
    model.fit(draw(), callbacks=[kept, noting], **options)
    gaps = np.diff(noting.ends) * 1000
    size = sum(weight.nbytes for weight in model.get_weights()) / 1e6
    return float(np.median(gaps)), float(np.median([gaps[12], gaps[15], gaps[18]])), size


def cost_lines() -> Iterator[str]:
    rules = ["patience(99)", "recover()", "recover(on=non_finite | spike(z=20) | divergence(ratio=3))"]
    taken: dict[str, list[float]] = {rule: [] for rule in rules}
    for _ in range(3):  # in turns: the machine may slow down meanwhile
        for rule in rules:
            taken[rule].append(measure_step(rule))
    yield make_row(["a step of a small network", "µs", "beside `patience`"])
    yield "|---|---|---|"
    first = min(taken[rules[0]])
    for rule in rules:
        least = min(taken[rule])
        yield make_row([f"`{rule}`".replace("|", "\\|"), f"{least:.0f}", f"{least / first:.2f}"])
    usual, after, size = measure_large()
    yield ""
    yield f"With {size:.0f} MB of weights the step after a broken batch took {after:.0f} ms, going back included, from"
    yield f"memory; the usual step takes {usual:.0f} ms."


def main(only: str = "") -> None:
    chosen = [breaking for breaking in FIVE if not only or breaking.name in only.split(",")]
    lines, exact = ["", make_row(TITLES), "|" + "---|" * len(TITLES)], True
    for breaking in chosen:
        cells, same = row_of(breaking)
        exact = exact and same
        lines.append(make_row([cell.replace("|", "\\|") for cell in cells]))
        print(lines[-1], "" if same else "(not the same bits up to the jump)", flush=True)
    if only:
        return
    words = "The same" if exact else "NOT the same"
    lines += ["", f"{words} bits up to the jump, in all five. keepbest {keepbest.__version__}, {machine()}.", ""]
    lines += [*cost_lines(), ""]
    print("\n".join(lines))
    PAGE.write_text(between(PAGE.read_text(), BEGIN, lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
