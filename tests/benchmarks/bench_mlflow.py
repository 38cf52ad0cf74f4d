"""MLflow's interface: how fast it takes values and answers, beside keepbest's own route, and MLflow's own server.

Run with `python -m tests.benchmarks.bench_mlflow [--mlflow PYTHON]`, where PYTHON is that of an environment in which
`mlflow` (not mlflow-skinny) is installed. All are asked in one run, one process each, on SQLite, by one thin client.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks import mlflow_server
from tests.benchmarks.bench_tracker import Connection, Server, measure_ingest
from tests.support.network import free_port
from tracker import db
from tracker.settings import TrackerSettings
from tracker.store.reported import experiments
from tracker.store.reported import runs as reported
from tracker.store.reported.points import ReportedPoint, add_points

CALLS, BATCHES, RUNS, POINTS = 1000, 20, 10_000, 1_000_000
PAGE = 25_000
#: A rate is measured no longer than this: MLflow's server takes some values a second on a busy machine.
MAX_SECONDS = 20.0


class Client(Connection):
    """The same connection, to addresses of MLflow's interface."""

    def call(self, method: str, path: str, **given: Any) -> Any:
        """Return the document of an answer."""
        is_query = method == "GET"
        query = f"?{urllib.parse.urlencode(given)}" if is_query else ""
        data = b"" if is_query else json.dumps(given).encode()
        return json.loads(self.send(self.raw(method, f"{path}{query}", data)))

    def raw(self, method: str, path: str, data: bytes) -> bytes:
        """Return the bytes of a request."""
        return self.request(method, "", data, "application/json", "").replace(
            f"{method} /api/v1 ".encode(), f"{method} /api/2.0/mlflow{path} ".encode()
        )


@dataclass
class Figures:
    """What was measured of one server: calls a second, milliseconds, and MB."""

    log_metric: float
    log_batch: float
    search: float
    history: float
    memory: float


@dataclass(frozen=True)
class Goal:
    """One line of the table: what, by how much to be better, and the unit."""

    name: str
    what: str
    ratio: float
    unit: str


GOALS = (
    Goal("log_metric", "`log_metric`", 25, "calls/s"),
    Goal("log_batch", "`log_batch` of 1,000", 20, "calls/s"),
    Goal("search", "`search_runs` by a metric over {runs:,} runs", 50, "ms"),
    Goal("history", "history of {points:,} points", 10, "ms"),
    Goal("memory", "idle memory, its one-process form", 3, "MB"),
)


def measure(client: Client, run: str, points: int, memory: float) -> Figures:
    """Ask one server, that was filled, for everything; the run has the points."""
    fresh = begin(client)
    requests = [metric_request(client, fresh, step) for step in range(CALLS)]
    batch = [{"key": "b", "value": n / 7, "timestamp": n, "step": n} for n in range(1000)]
    history = seconds(lambda: read_history(client, run, points))
    given = {"experiment_ids": ["0"], "filter": "metrics.acc > 0.5", "order_by": ["metrics.acc DESC"]}
    search = statistics.median(
        seconds(lambda: client.call("POST", "/runs/search", **given, max_results=100)) for _ in range(5)
    )
    return Figures(
        log_metric=rate(CALLS, lambda number: client.send(requests[number])),
        log_batch=rate(BATCHES, lambda _: client.call("POST", "/runs/log-batch", run_id=fresh, metrics=batch)),
        search=search * 1000,
        history=history * 1000,
        memory=memory,
    )


def begin(client: Client) -> str:
    """Make a run in the experiment that is there by itself."""
    made = client.call("POST", "/runs/create", experiment_id="0", start_time=1, user_id="ada")
    return str(made["run"]["info"]["run_id"])


def metric_request(client: Client, run: str, step: int) -> bytes:
    given = {"run_id": run, "run_uuid": run, "key": "loss", "value": step / 7, "timestamp": step, "step": step}
    return client.raw("POST", "/runs/log-metric", json.dumps(given).encode())


def fill(folder: Path, runs: int, points: int) -> str:
    """Write what `mlflow_server.fill` writes into the tracker's database; return the id of the run with the points."""
    engine = db.make_engine(TrackerSettings.load({}, dir=folder).database_url)
    made, now, user = [], datetime.now(UTC), "ada"

    def begin_run(conn: db.Connection) -> Any:
        project = experiments.ensure_experiment(conn, experiments.DEFAULT_ID, user=user, now=now)
        return reported.create_run(conn, project, None, started_at=now, user=user, now=now)

    def add(conn: db.Connection, id: str, values: list[ReportedPoint]) -> None:
        add_points(conn, reported.get_reporting(conn, id), values, user=user, now=now)

    for first in range(0, runs, 500):
        with db.write(engine) as conn:
            for number in range(first, min(first + 500, runs)):
                add(conn, begin_run(conn).id, [ReportedPoint("acc", mlflow_server.acc(number, runs), 0, 0.001)])
    with db.write(engine) as conn:
        made.append(begin_run(conn).id)
    for start in range(0, points, 1000):
        with db.write(engine) as conn:
            values = [ReportedPoint("long", n / 7, n, n / 1000) for n in range(start, min(start + 1000, points))]
            add(conn, made[0], values)
    engine.dispose()
    return str(made[0])


def read_history(client: Client, run: str, points: int) -> None:
    read, token = 0, None
    while True:
        more: dict[str, str] = {"page_token": token} if token else {}
        page = client.call("GET", "/metrics/get-history", run_id=run, metric_key="long", max_results=PAGE, **more)
        read, token = read + len(page["metrics"]), page.get("next_page_token")
        if token is None:
            break
    assert read == points, read


def rate(calls: int, call: Callable[[int], object]) -> float:
    """Return calls a second, of so many, or of those that the longest time allows."""
    began, done = time.perf_counter(), 0
    while done < calls and time.perf_counter() - began < MAX_SECONDS:
        call(done)
        done += 1
    return done / (time.perf_counter() - began)


def seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def measure_ours(folder: Path, runs: int, points: int) -> tuple[Figures, float]:
    """Return keepbest's figures, and its own route's calls a second with one point each."""
    server = Server(folder)
    server.start()
    memory = server.memory()
    server.stop()
    run = fill(folder, runs, points)
    server.start()
    try:
        client = Client(server.port, server.connect().token)
        own, _, _ = max((measure_ingest(server, 1, CALLS, 1) for _ in range(3)), key=lambda one: one[0])
        return measure(client, run, points, memory), own
    finally:
        server.stop()


def measure_theirs(python: str, folder: Path, runs: int, points: int) -> tuple[Figures, float]:
    """Return the figures of MLflow's server, and its idle memory as it starts by itself."""
    port = free_port()
    with mlflow_server.run_server(python, folder, port) as process:
        wait_for(port)
        mlflow_server.await_file(folder / "mlflow.log", "Application startup complete")
        whole = mlflow_server.measure_memory(process.pid)
    mlflow_server.fill(folder / "mlflow.db", runs, points)
    port = free_port()
    with mlflow_server.run_server(python, folder, port, **mlflow_server.ONE_PROCESS) as process:
        client = wait_for(port)
        memory = mlflow_server.measure_memory(process.pid)
        return measure(client, "long", points, memory), whole


def wait_for(port: int) -> Client:
    while True:
        try:
            client = Client(port, "")
            client.call("GET", "/experiments/get", experiment_id="0")
            return client
        except (OSError, RuntimeError, ValueError):
            time.sleep(0.2)


def show(what: str, theirs: float, ours: float, ratio: float, goal: float, unit: str) -> None:
    """Print a row of docs/reference/benchmarks.md."""
    verdict = "reached" if ratio >= goal else "**short**"
    print(
        f"| {what} | {theirs:,.1f} {unit} | {ours:,.1f} {unit} | {ratio:,.2g} x | {goal:g} x | {verdict} |", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlflow", help="the Python of an environment with MLflow")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--points", type=int, default=POINTS)
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, SQLite, one process each", flush=True)
    with tempfile.TemporaryDirectory() as name:
        ours, own = measure_ours(Path(name), given.runs, given.points)
        for goal in GOALS:
            print(f"  {goal.name:<12} {getattr(ours, goal.name):>12,.1f} {goal.unit}", flush=True)
        if given.mlflow:
            theirs, whole = measure_theirs(given.mlflow, Path(name), given.runs, given.points)
            for goal in GOALS:
                pair = getattr(theirs, goal.name), getattr(ours, goal.name)
                ratio = pair[1] / pair[0] if goal.unit == "calls/s" else pair[0] / pair[1]
                what = goal.what.format(runs=given.runs, points=given.points)
                show(what, *pair, ratio, goal.ratio, goal.unit)
            show("idle memory, as it starts by itself", whole, ours.memory, whole / ours.memory, 10, "MB")
    show(
        "`log_metric` beside our own route with one point", own, ours.log_metric, ours.log_metric / own, 0.8, "calls/s"
    )


if __name__ == "__main__":
    main()
