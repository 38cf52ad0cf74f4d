"""Reading TensorBoard's logs: our reader beside `EventAccumulator`, the same files, in turns, a process each.

Run with `python -m tests.benchmarks.bench_imports [--tensorboard PYTHON] [--scalars N] [--rounds N]`, where PYTHON is
that of an environment in which TensorBoard is installed. Each process reads from a warm cache, and says its seconds and
the most memory that it had.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from keepbest.foreign.tensorboard.record_file import frame_records
from keepbest.foreign.wire import write_field, write_single

SCALARS, ROUNDS, TAGS, AT_ONCE = 1_000_000, 3, 10, 10_000
OURS = """
import json, resource, sys, time
from pathlib import Path
from keepbest.foreign.foreign_run import Points
from keepbest.foreign.tensorboard.event_folder import EventFolder
from keepbest.foreign.tensorboard.tally import Tally
began, kept = time.perf_counter(), []
for parts in EventFolder(Path(sys.argv[1]), str).read(Tally()):
    kept.extend(part for _, part in parts if isinstance(part, Points))
seconds = time.perf_counter() - began
"""
THEIRS = """
import json, resource, sys, time
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
began = time.perf_counter()
accumulator = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0})
accumulator.Reload()
seconds = time.perf_counter() - began
tags = accumulator.Tags()
kept = [accumulator.Scalars(tag) for tag in tags["scalars"]] + [accumulator.Tensors(tag) for tag in tags["tensors"]]
"""
SAY = """
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([seconds, memory, sum(map(len, kept))]))
"""


class Reading(NamedTuple):
    """What one process needed: seconds, and the most bytes of memory."""

    seconds: float
    memory: int


def write_simple(tag: str, value: float) -> bytes:
    """Return a value as TensorFlow 1, PyTorch and tensorboardX write it."""
    return write_field(1, tag) + write_single(2, value)


def write_tensor(tag: str, value: float) -> bytes:
    """Return a value as TensorFlow 2 and Keras write it."""
    metadata = write_field(1, write_field(1, "scalars"))
    tensor = write_field(1, 1) + write_field(2, b"") + write_field(4, struct.pack("<f", value))
    return write_field(1, tag) + write_field(9, metadata) + write_field(8, tensor)


def write_events(folder: Path, scalars: int, form: Callable[[str, float], bytes]) -> Path:
    """Write a file of so many scalars of ten metrics, an event each."""
    folder.mkdir()
    with (folder / "events.out.tfevents.1700000000.bench").open("wb") as file:
        events = [write_field(1, 1.7e9) + write_field(3, "brain.Event:2")]
        for place in range(scalars):
            step = place // TAGS
            value = form(f"metric_{place % TAGS}", step / 7)
            head = write_field(1, 1.7e9 + step / 10) + write_field(2, step)
            events.append(head + write_field(5, write_field(1, value)))
            if len(events) >= AT_ONCE:
                file.write(frame_records(events))
                events = []
        file.write(frame_records(events))
    return folder


def read(python: str, program: str, folder: Path, scalars: int) -> Reading:
    """Have a process of its own read everything; raises AssertionError if it did not get every value."""
    command = [python, "-c", program + SAY, str(folder)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds, memory, count = json.loads(answer.splitlines()[-1])
    assert count == scalars, count
    return Reading(seconds, memory)


def measure(folder: Path, peer: str | None, scalars: int, rounds: int) -> tuple[list[Reading], list[Reading]]:
    """Read in turns, ours first; the peers' list is empty without a peer."""
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(read(sys.executable, OURS, folder, scalars))
        if peer is not None:
            theirs.append(read(peer, THEIRS, folder, scalars))
    return ours, theirs


def show(what: str, ours: list[Reading], theirs: list[Reading]) -> None:
    own, memory = median(reading.seconds for reading in ours), max(reading.memory for reading in ours) / 1e6
    peer = ""
    if theirs:
        other = median(reading.seconds for reading in theirs)
        most = max(reading.memory for reading in theirs) / 1e6
        peer = f"   EventAccumulator {other:.1f} s, {most:,.0f} MB   {other / own:.0f} x"
    print(f"  {what:<44} {own:.2f} s, {memory:,.0f} MB{peer}", flush=True)


def main() -> None:
    """Print the seconds and the memory of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tensorboard", help="the Python of an environment with TensorBoard")
    parser.add_argument("--scalars", type=int, default=SCALARS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, {given.scalars:,} scalars of {TAGS} metrics, median of {given.rounds}")
    forms = {"simple": write_simple, "tensor": write_tensor}
    with tempfile.TemporaryDirectory() as name:
        for kind, form in forms.items():
            folder = write_events(Path(name, kind), given.scalars, form)
            show(f"scalars as {kind} values", *measure(folder, given.tensorboard, given.scalars, given.rounds))


if __name__ == "__main__":
    main()
