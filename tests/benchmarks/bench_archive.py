"""One run with 1,000,000 points and 400 MB of checkpoints: out of one tracker as an archive, and into another.

Run with `python -m tests.benchmarks.bench_archive`; POINTS and MEGABYTES are its options.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sqlalchemy import select, update

from keepbest.archive import reader
from keepbest.checkpoint.store import CheckpointInfo, Store
from keepbest.client.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.batches import CheckpointDurable
from tests.benchmarks.bench_tracker import Server, begin, points
from tests.support.states import NOON, state_of
from tracker import db
from tracker.models import RunTable
from tracker.store import checkpoints, runs
from tracker.store.metrics import chunks, metrics
from tracker.store.metrics.chunks import PointColumns
from tracker.store.metrics.metrics import Column

CHECKPOINTS = 4


def fill(server: Server, points_in_all: int, megabytes: int) -> str:
    """Make an ended run with so many points and checkpoints; return its id."""
    run, _ = begin(server.connect())
    engine = db.make_engine(f"sqlite:///{server.folder / 'tracker.db'}")
    store = Store(server.folder / "store")
    try:
        with db.write(engine) as conn:
            row = runs.get_run(conn, run)
            for start in range(0, points_in_all, chunks.FULL_POINTS):
                columns = PointColumns(*points(start, min(chunks.FULL_POINTS, points_in_all - start)))
                metrics.add_columns(conn, row, [Column(0, "loss", columns)], newest=True)
            durable = [write_checkpoint(store, run, step, megabytes) for step in range(CHECKPOINTS)]
            checkpoints.add_checkpoints(conn, row.pk, durable)
            conn.execute(update(RunTable).values(state="finished"))
            assert conn.execute(select(RunTable.id)).scalar_one() == run
    finally:
        engine.dispose()
    return run


def write_checkpoint(store: Store, run: str, step: int, megabytes: int) -> CheckpointDurable:
    numbers = np.random.default_rng(step).random(megabytes * 2**20 // 4 // CHECKPOINTS, dtype=np.float32)
    state = state_of([("model", "kernel", numbers)], step)
    written = store.write(state, CheckpointInfo(run, NOON))
    return CheckpointDurable(
        id=state.id, segment=0, step=step, kind="last", value=None, digest=written.digest, at=NOON,
        size_bytes=written.manifest.size_bytes, written_bytes=written.written_bytes, location=str(written.location),
    )  # fmt: skip


def client_of(server: Server) -> Client:
    return Client(f"http://127.0.0.1:{server.port}", (server.folder / "admin-token").read_text().strip())


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def measure(here: Server, there: Server, given: argparse.Namespace) -> None:
    run, file = fill(here, given.points, given.megabytes), here.folder / f"{new_id()}.keepbest"
    before = here.memory(), there.memory()

    def export() -> None:
        with client_of(here) as client, file.open("wb") as sink:
            client.archives.fetch_run(run, sink, progress=lambda done, total: None)

    def bring() -> None:
        with client_of(there) as client, file.open("rb") as source:
            client.archives.send(reader.check(source), progress=lambda done, total: None)

    seconds = timed(export), timed(bring), timed(bring)
    after = here.memory(), there.memory()
    print(f"{given.points:,} points and {given.megabytes} MB of checkpoints: {file.stat().st_size / 2**20:.0f} MB")
    print(f"export {seconds[0]:.1f} s; import {seconds[1]:.1f} s, again {seconds[2]:.1f} s")
    print(f"memory: export {before[0]:.0f} -> {after[0]:.0f} MB, import {before[1]:.0f} -> {after[1]:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--megabytes", type=int, default=400)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        servers = [Server(Path(folder) / name) for name in ("here", "there")]
        try:
            for server in servers:
                server.folder.mkdir()
                server.start()
            measure(servers[0], servers[1], given)
        finally:
            for server in servers:
                server.stop()


if __name__ == "__main__":
    main()
