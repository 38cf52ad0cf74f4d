"""Writes the points of `in_browser` as a peer keeps them; it runs with the peers' Python and needs nothing of keepbest.

python write_peers.py tensorboard|trackio FOLDER RUNS METRICS STEPS
"""

import math
import sys
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)


def value(run: int, metric: int, step: int, steps: int) -> float:
    """Return a noisy way down."""
    return math.exp(-step / steps * (3 + metric / 10)) + 0.02 * math.sin(step * (metric + 1) * 0.37 + run)


def row(run: int, metrics: int, step: int, steps: int) -> dict[str, float]:
    return {f"m/metric_{metric:02}": value(run, metric, step, steps) for metric in range(metrics)}


def write_tensorboard(folder: str, runs: int, metrics: int, steps: int) -> None:
    writer_of: Any = import_module("tensorboard.summary.writer.event_file_writer").EventFileWriter
    event: Any = import_module("tensorboard.compat.proto.event_pb2").Event
    summary: Any = import_module("tensorboard.compat.proto.summary_pb2").Summary
    for run in range(runs):
        writer = writer_of(f"{folder}/run_{run:02}", max_queue_size=10_000)
        for step in range(steps):
            named = row(run, metrics, step, steps).items()
            values = [summary.Value(tag=tag, simple_value=number) for tag, number in named]
            writer.add_event(event(wall_time=BEGAN.timestamp() + step, step=step, summary=summary(value=values)))
        writer.close()


def write_trackio(folder: str, runs: int, metrics: int, steps: int) -> None:
    """Write into `TRACKIO_DIR`, which is the folder."""
    storage: Any = import_module("trackio.sqlite_storage").SQLiteStorage
    moments = [(BEGAN + timedelta(seconds=step)).isoformat() for step in range(steps)]
    for run in range(runs):
        rows = [row(run, metrics, step, steps) for step in range(steps)]
        storage.bulk_log("bench", f"run_{run:02}", rows, steps=list(range(steps)), timestamps=moments)


if __name__ == "__main__":
    WRITERS = {"tensorboard": write_tensorboard, "trackio": write_trackio}
    WRITERS[sys.argv[1]](sys.argv[2], *map(int, sys.argv[3:]))
