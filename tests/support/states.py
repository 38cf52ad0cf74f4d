"""Training states of plain NumPy arrays: the store takes any array, and TensorFlow takes seconds to import."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from keepbest.checkpoint import CheckpointInfo
from keepbest.snapshots.state import Position, State, VariableSpec

RUN = "r" * 12
OTHER_RUN = "s" * 12
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def make_state(seed: int = 0, step: int = 0, *, frozen: int = 0) -> State:
    """Return a state of six variables; those of the model are the same for the same `frozen`, if that is not 0."""
    base, head = np.random.default_rng([frozen or seed, bool(frozen)]), np.random.default_rng(seed)
    arrays: list[tuple[Any, str, Any]] = [
        ("model", "net/base/kernel", base.random((64, 65), dtype=np.float32)),
        ("model", "net/head/kernel", head.random((9, 10), dtype=np.float32)),
        ("model", "seed_generator/seed_generator_state", np.array([seed, 7], np.int64)),
        ("model", "net/empty", np.zeros((0, 3), np.float32)),
        ("optimizer", "adam/iteration", np.array(step, np.int64)),
        ("optimizer", "adam/flag", np.array(True)),
    ]
    return state_of(arrays, step)


def state_of(arrays: list[tuple[Any, str, Any]], step: int = 0) -> State:
    counts = {"model": 0, "optimizer": 0}
    specs = []
    for collection, path, array in arrays:
        specs.append(VariableSpec(collection, counts[collection], path, array.shape, str(array.dtype)))
        counts[collection] += 1
    stopper = {"policy": {"best_step": step}, "seconds": 1.5}
    values = tuple(array for _, _, array in arrays)
    return State(Position(step, step // 10, step % 10), tuple(specs), values, stopper, {"python": [3, [1, 2], None]})


def about(run: str = RUN, **changed: Any) -> CheckpointInfo:
    return CheckpointInfo(**{"run": run, "at": NOON, "value": 0.5, "monitor": "val_accuracy", "mode": "max", **changed})


def equal(one: Any, other: Any) -> bool:
    """Whether two sequences of arrays are the same, bit for bit, types and shapes too."""
    return len(one) == len(other) and all(
        np.asarray(a).dtype == np.asarray(b).dtype
        and np.asarray(a).shape == np.asarray(b).shape
        and np.asarray(a).tobytes() == np.asarray(b).tobytes()
        for a, b in zip(one, other, strict=True)
    )


def files_of(root: Path) -> list[Path]:
    """Return what a store consists of, but for the lock and the marker."""
    return sorted(path for path in root.rglob("*") if path.is_file() and path.name not in ("lock", "store.json"))


def flip(path: Path, place: int, mask: int = 1) -> None:
    """Flip bits of one byte of a file, in place."""
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= mask
    path.write_bytes(data)


def cut(path: Path, size_bytes: int) -> None:
    os.truncate(path, size_bytes)
