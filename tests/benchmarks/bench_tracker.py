"""What the tracker takes, answers and keeps: a real server process, clients in processes of their own, SQLite.

Run with `python -m tests.benchmarks.bench_tracker [--runs 100000]`. Clients and server share the machine's cores.
Peers' figures are from another day and the same kind of machine (2 cores, loopback), each by its own fastest way.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, insert, select, text

from keepbest.contract.base import new_id
from keepbest.contract.batches import BATCH_MEDIA_TYPE
from tests.support.environment import clean_environment
from tests.support.network import free_port
from tests.support.processes import ROOT
from tests.support.trainer import pack
from tracker import db
from tracker.models import ProjectTable, RunTable
from tracker.scheduler import jobs
from tracker.settings import TrackerSettings

CURVE_POINTS = 1_000_000
ROUNDS = 3
LONG, SHORT = 10_000, 1_000
EXTERNAL = {
    "source": {"kind": "external"}, "monitor": "acc", "mode": "max", "validate_every": 1,
    "stopper": {"name": "patience", "params": {"checks": 3}},
}  # fmt: skip


@dataclass
class Connection:
    """One kept-alive HTTP connection, as thin as a client can be: the server is what is measured."""

    port: int
    token: str
    socket: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, method: str, path: str, body: Any = b"", *, media: str = "application/json", lease: str = "") -> Any:
        """Return the JSON of the answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return json.loads(self.send(self.request(method, path, data, media, lease)) or b"null")

    def request(self, method: str, path: str, data: bytes, media: str, lease: str) -> bytes:
        head = [
            f"{method} /api/v1{path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {self.token}",
            f"Keepbest-Lease: {lease}", f"Content-Type: {media}", f"Content-Length: {len(data)}", "", "",
        ]  # fmt: skip
        return "\r\n".join(head).encode() + data

    def send(self, request: bytes) -> bytes:
        """Return the body of the answer; fails unless it is a success."""
        self.socket.sendall(request)
        head, _, body = self._receive_until(b"\r\n\r\n")
        length = next((line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), b":0")
        missing = int(length.split(b":")[1]) - len(body)
        while missing > 0:
            piece = self.socket.recv(1 << 20)
            body, missing = body + piece, missing - len(piece)
        if not head.startswith(b"HTTP/1.1 2"):
            raise RuntimeError((head + body).decode())
        return body

    def _receive_until(self, mark: bytes) -> tuple[bytes, bytes, bytes]:
        data = b""
        while mark not in data:
            data += self.socket.recv(1 << 20)
        return data.partition(mark)


@dataclass
class Server:
    """A tracker's process on a folder of its own."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    #: More variables of its environment.
    variables: dict[str, str] = field(default_factory=dict)

    def start(self) -> float:
        """Return the seconds from start to the first answer."""
        variables = {"KEEPBEST_DIR": str(self.folder), "KEEPBEST_PORT": str(self.port), **self.variables}
        environment = clean_environment(**variables, PYTHONPYCACHEPREFIX=str(self.folder / "pyc"))
        began = time.perf_counter()
        with (self.folder / "log").open("wb") as log:
            command = [sys.executable, "-m", "tracker.server"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        while not self._answers():
            time.sleep(0.005)
        return time.perf_counter() - began

    def _answers(self) -> bool:
        try:
            with closing(socket.create_connection(("127.0.0.1", self.port), 5)) as probe:
                probe.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return probe.recv(100).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)

    def connect(self) -> Connection:
        return Connection(self.port, (self.folder / "admin-token").read_text().strip())

    def memory(self) -> float:
        """Return the MB of main process and worker, shared pages counted once."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        rolls = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in (str(self.process.pid), *children)]
        return sum(int(line.split()[1]) for roll in rolls for line in roll.splitlines() if line[:4] == "Pss:") / 1024


def points(start: int, count: int) -> tuple[Any, Any, Any]:
    """Return a metric as Keras gives it: float32 values, a noisy way down, about 10 ms between points."""
    random = np.random.default_rng(start)
    steps = np.arange(start, start + count)
    values = (np.exp(-steps / 1e5) + random.normal(0, 0.01, count)).astype(np.float32).astype(float)
    return steps, values, 1.7e9 + steps * 0.01 + random.uniform(0, 0.004, count)


def begin(connection: Connection) -> tuple[str, str]:
    """Make a run of an own script; return its id and lease."""
    run = connection.ask("POST", "/runs", EXTERNAL)["id"]
    return run, connection.ask("POST", "/leases", {"run": run})["lease"]["token"]


def ingest(port: int, token: str, batches: int, size: int, start: Any, out: Any) -> None:
    """Send batches one after another, each acknowledged; put the seconds of each on the queue."""
    connection = Connection(port, token)
    run, lease = begin(connection)
    writer = new_id()
    opened = {"number": 0, "reason": "start", "start_step": 0, "at": datetime.now(UTC).isoformat()}
    connection.ask("POST", f"/runs/{run}/batches", {"writer": writer, "number": 1, "segments": [opened]}, lease=lease)
    requests = []
    for number in range(batches):
        header = {"writer": writer, "number": number + 2, "columns": [{"segment": 0, "key": "loss", "count": size}]}
        body = pack(header, [points(number * size, size)])
        requests.append(connection.request("POST", f"/runs/{run}/batches", body, BATCH_MEDIA_TYPE, lease))
    start.wait()
    took = []
    for request in requests:
        began = time.perf_counter()
        connection.send(request)
        took.append(time.perf_counter() - began)
    out.put((run, took))


def measure_ingest(server: Server, clients: int, batches: int, size: int) -> tuple[float, list[float], list[str]]:
    """Return points a second over all clients, the milliseconds of every call, and the runs."""
    context = multiprocessing.get_context("spawn")
    start, out = context.Barrier(clients + 1), context.Queue()
    token = server.connect().token
    given = (server.port, token, batches, size, start, out)
    started = [context.Process(target=ingest, args=given) for _ in range(clients)]
    for process in started:
        process.start()
    start.wait()
    began = time.perf_counter()
    told = [out.get() for _ in started]
    seconds = time.perf_counter() - began
    for process in started:
        process.join()
    return clients * batches * size / seconds, [one * 1e3 for _, took in told for one in took], [run for run, _ in told]


def percentile(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def median_ms(action: Callable[[], object], rounds: int = 15) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times)


def show(what: str, ours: str, goal: str, peers: str) -> None:
    print(f"  {what:<48} {ours:<40} goal {goal:<24} {peers}", flush=True)


def bench_ingest(server: Server) -> str:
    """Print what is taken a second; return a run with a million points."""
    rate, times, _ = max((measure_ingest(server, 1, 2000, 1) for _ in range(ROUNDS)), key=lambda one: one[0])
    calls = f"{rate:,.0f}/s, p50 {percentile(times, 0.5):.2f} ms"
    show("one point a call, acknowledged", calls, ">= 1,500/s, p50 <= 1 ms", "FastTrackML 320/s, p50 2.9 ms")
    million = ""
    peers = "Trackio 20,800; FastTrackML 12,000; MLflow 5,300"
    for clients, size, batches in ((1, LONG, 100), (1, SHORT, 500), (8, LONG, 25), (8, SHORT, 100)):
        found = [measure_ingest(server, clients, batches, size) for _ in range(ROUNDS)]
        rate, times, runs = max(found, key=lambda one: one[0])
        said = f"{rate:,.0f} points/s, p99 {percentile(times, 0.99):.0f} ms"
        show(f"{clients} client(s), batches of {size:,}", said, ">= 1,000,000, p99 < 100 ms", peers)
        million = runs[0] if (clients, size) == (1, LONG) else million
    return million


def bench_curve(server: Server, run: str, when: str) -> None:
    connection = server.connect()
    curve = connection.ask("GET", f"/runs/{run}/curve?key=loss&max_points=2000")
    assert curve["total"] == CURVE_POINTS
    request = connection.request("GET", f"/runs/{run}/curve?key=loss&max_points=2000", b"", "", "")
    took = f"{median_ms(lambda: connection.send(request)):.1f} ms ({curve['returned']:,} points)"
    show(f"curve of {CURVE_POINTS:,} points, {when}", took, "<= 10 ms", "TensorBoard 48, MLflow 4,200 (sampled)")


def bench_bytes(server: Server, run: str) -> None:
    """Compact everything, then weigh the run's chunks."""
    settings = TrackerSettings(dir=server.folder)
    engine = db.make_engine(settings.database_url)
    began = time.perf_counter()
    while said := jobs.compact_metrics(settings, engine, datetime.now(UTC)):
        print(f"    {said} in {time.perf_counter() - began:.1f} s")
    weigh = "SELECT sum(length(data) + coalesce(length(envelope), 0)) FROM metric_chunks WHERE run_pk = :pk"
    with db.read(engine) as conn:
        pk = conn.execute(select(RunTable.pk).where(RunTable.id == run)).scalar_one()
        size = conn.execute(text(weigh), {"pk": pk}).scalar_one()
    engine.dispose()
    show("bytes a point, exact, envelope included", f"{size / CURVE_POINTS:.2f}", "<= 8", "TensorBoard 44, MLflow 247")


def bench_list(server: Server, count: int) -> None:
    settings = TrackerSettings(dir=server.folder)
    engine = db.make_engine(settings.database_url)
    fill_runs(engine, count)
    connection = server.connect()
    for what, query in (("newest", ""), ("by best value", "&sort=best"), ("by last value", "&sort=last")):
        request = connection.request("GET", f"/runs?project=many&limit=100{query}", b"", "", "")
        took = f"{median_ms(partial(connection.send, request)):.1f} ms"
        show(
            f"first 100 of {count:,} runs, {what}",
            took,
            "<= 5 (10k), <= 10 (100k)",
            "FastTrackML 32 / 464, MLflow 6,400",
        )
    engine.dispose()


def fill_runs(engine: db.Engine, count: int) -> None:
    """Bring the project `many` to this many runs, each a copy of one with other values."""
    random = np.random.default_rng(count)
    with db.write(engine) as conn:
        first = dict(conn.execute(select(*RunTable.__table__.columns).order_by(RunTable.pk).limit(1)).one()._mapping)
        pk = conn.execute(select(ProjectTable.pk).where(ProjectTable.name == "many")).scalar_one_or_none()
        if pk is None:
            conn.execute(insert(ProjectTable), {"name": "many", "created_at": datetime.now(UTC)})
            pk = conn.execute(select(ProjectTable.pk).where(ProjectTable.name == "many")).scalar_one()
        there = conn.execute(select(func.count()).where(RunTable.project_pk == pk)).scalar_one()
        same = {name: value for name, value in first.items() if name not in ("pk", "lease_digest")}
        conn.execute(insert(RunTable), [
            {**same, "id": new_id(), "project_pk": pk, "number": number, "name": f"run {number}", "state": "finished",
             "best_value": float(random.random()), "last_value": float(random.random()), "best_step": number}
            for number in range(there + 1, count + 1)
        ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    most = parser.parse_args().runs
    print(f"{os.cpu_count()} cores, SQLite, every answer after a sync to disk")
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        first = server.start()
        server.stop()
        again = statistics.median(restart(server) for _ in range(ROUNDS))
        try:
            time.sleep(1)
            started = f"{again:.2f} s ({first:.2f} s the very first)"
            show("start to first answer", started, "<= 0.6 s", "FastTrackML 0.02, Trackio 0.44, MLflow 10.8")
            show(
                "memory when idle", f"{server.memory():.0f} MB", "<= 100 MB", "FastTrackML 33, Trackio 72, MLflow 2,000"
            )
            run = bench_ingest(server)
            bench_curve(server, run, "as it arrived")
            bench_bytes(server, run)
            bench_curve(server, run, "compacted")
            for count in (10_000, most):
                bench_list(server, count)
        finally:
            server.stop()


def restart(server: Server) -> float:
    server.stop()
    return server.start()


if __name__ == "__main__":
    main()
