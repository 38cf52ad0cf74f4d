"""What panels cost a training: the tutorial's network with `KeepBest`, without panels and with them, in turn.

Nothing is written and nobody listens: what is measured is the painter beside the training, its last two pictures, which
training waits for, included. Run with `python -m tests.benchmarks.bench_panels`.
"""

from __future__ import annotations

from statistics import median

from keepbest.keras import KeepBest
from tests.benchmarks.bench_training import Bench

ROUNDS = 5


def main() -> None:
    """Print the seconds of a training without and with panels, and their ratio."""
    bench = Bench()
    bench.fit(KeepBest("val_accuracy", patience=99, store=False))  # what is compiled is compiled here
    without, painted = [], []
    for _ in range(ROUNDS):
        without.append(bench.fit(KeepBest("val_accuracy", patience=99, store=False)))
        painted.append(bench.fit(KeepBest("val_accuracy", patience=99, store=False, panels=bench.validation)))
    shares = [after / before - 1 for before, after in zip(without, painted, strict=True)]
    print(f"without panels {median(without):.2f} s, with {median(painted):.2f} s")
    print(f"panels cost {median(shares):+.1%} (rounds from {min(shares):+.1%} to {max(shares):+.1%})")


if __name__ == "__main__":
    main()
