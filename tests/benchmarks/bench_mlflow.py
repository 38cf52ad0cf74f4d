"""MLflow's interface: how fast it takes values and answers, beside keepbest's own route, and MLflow's own server.

Run with `python -m tests.benchmarks.bench_mlflow [--mlflow PYTHON]`, where PYTHON is that of an environment in which
`mlflow` (not mlflow-skinny) is installed. All are asked in one run, one process each, on SQLite, by one thin client.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_tracker import Connection, Server, measure_ingest
from tests.support.environment import clean_environment
from tests.support.network import free_port

CALLS, BATCHES, RUNS, POINTS = 1000, 20, 10_000, 1_000_000
PAGE = 25_000


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
    """What was measured of one server: calls a second, and milliseconds."""

    log_metric: float
    log_batch: float
    search: float
    history: float


def measure(client: Client, runs: int, points: int) -> Figures:
    """Ask one server for everything."""
    experiment = client.call("POST", "/experiments/create", name="bench")["experiment_id"]
    run = begin(client, experiment)
    requests = [metric_request(client, run, step) for step in range(CALLS)]
    log_metric = CALLS / seconds(lambda: [client.send(request) for request in requests])
    batch = [{"key": "b", "value": n / 7, "timestamp": n, "step": n} for n in range(1000)]
    log_batch = BATCHES / seconds(
        lambda: [client.call("POST", "/runs/log-batch", run_id=run, metrics=batch) for _ in range(BATCHES)]
    )
    fill_history(client, run, points)
    history = seconds(lambda: read_history(client, run, points))
    fill_runs(client, experiment, runs)
    given = {
        "experiment_ids": [experiment],
        "filter": "metrics.acc > 0.5",
        "order_by": ["metrics.acc DESC"],
        "max_results": 100,
    }
    search = statistics.median(seconds(lambda: client.call("POST", "/runs/search", **given)) for _ in range(5))
    return Figures(log_metric, log_batch, search * 1000, history * 1000)


def begin(client: Client, experiment: str) -> str:
    made = client.call("POST", "/runs/create", experiment_id=experiment, start_time=1, user_id="ada")
    return str(made["run"]["info"]["run_id"])


def metric_request(client: Client, run: str, step: int) -> bytes:
    given = {"run_id": run, "run_uuid": run, "key": "loss", "value": step / 7, "timestamp": step, "step": step}
    return client.raw("POST", "/runs/log-metric", json.dumps(given).encode())


def fill_history(client: Client, run: str, points: int) -> None:
    for start in range(0, points, 1000):
        metrics = [{"key": "long", "value": n / 7, "timestamp": n, "step": n} for n in range(start, start + 1000)]
        client.call("POST", "/runs/log-batch", run_id=run, metrics=metrics)


def read_history(client: Client, run: str, points: int) -> None:
    read, token = 0, None
    while True:
        more: dict[str, str] = {"page_token": token} if token else {}
        page = client.call("GET", "/metrics/get-history", run_id=run, metric_key="long", max_results=PAGE, **more)
        read, token = read + len(page["metrics"]), page.get("next_page_token")
        if token is None:
            break
    assert read == points, read


def fill_runs(client: Client, experiment: str, runs: int) -> None:
    for number in range(runs):
        run = begin(client, experiment)
        metric = {"key": "acc", "value": (number * 7919 % runs) / runs, "timestamp": 1, "step": 0}
        client.call("POST", "/runs/log-batch", run_id=run, metrics=[metric])


def seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


@contextmanager
def run_mlflow(python: str, folder: Path) -> Iterator[Client]:
    """Start MLflow's own server, with one worker, on SQLite."""
    port = free_port()
    store = f"sqlite:///{folder}/mlflow.db"
    command = [python, "-m", "mlflow", "server", "--backend-store-uri", store, "--port", str(port), "--workers", "1"]
    with (folder / "mlflow.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=clean_environment(), stdout=log, stderr=log)
    try:
        yield wait_for(port)
    finally:
        process.terminate()
        process.wait(30)


def wait_for(port: int) -> Client:
    while True:
        try:
            client = Client(port, "")
            client.call("GET", "/experiments/get", experiment_id="0")
            return client
        except (OSError, RuntimeError, ValueError):
            time.sleep(0.2)


def show(what: str, ours: float, theirs: float | None, unit: str, *, is_rate: bool) -> None:
    ratio = (
        ""
        if theirs is None
        else f"  MLflow {theirs:>10,.1f} {unit}  {(ours / theirs if is_rate else theirs / ours):,.1f} x"
    )
    print(f"  {what:<44} {ours:>10,.1f} {unit}{ratio}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlflow", help="the Python of an environment with MLflow")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--points", type=int, default=POINTS)
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, SQLite, one process each")
    with tempfile.TemporaryDirectory() as name:
        server = Server(Path(name))
        server.start()
        try:
            own, _, _ = max((measure_ingest(server, 1, CALLS, 1) for _ in range(3)), key=lambda one: one[0])
            ours = measure(Client(server.port, server.connect().token), given.runs, given.points)
        finally:
            server.stop()
        theirs = None
        if given.mlflow:
            with run_mlflow(given.mlflow, Path(name)) as client:
                theirs = measure(client, given.runs, given.points)
    show("one point a call by our own route", own, None, "calls/s", is_rate=True)
    print(f"  log_metric is {ours.log_metric / own:.2f} of that")
    names = {
        "log_metric": "log_metric",
        "log_batch": "log_batch of 1,000",
        "search": f"search by a metric over {given.runs:,} runs",
        "history": f"history of {given.points:,} points",
    }
    for name, what in names.items():
        is_rate = name.startswith("log")
        peer = None if theirs is None else getattr(theirs, name)
        show(what, getattr(ours, name), peer, "calls/s" if is_rate else "ms", is_rate=is_rate)


if __name__ == "__main__":
    main()
