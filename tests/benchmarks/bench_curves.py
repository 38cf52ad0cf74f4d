"""The curves of many runs and keys: one request beside one request a curve, of one server, in turns, on SQLite.

Run with `python -m tests.benchmarks.bench_curves`. The points lie as they arrived, 100 a batch; bytes are unpacked.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keepbest.contract.base import new_id
from keepbest.contract.batches import BATCH_MEDIA_TYPE
from tests.benchmarks.bench_tracker import Connection, Server, begin, points
from tests.support.trainer import pack

ROUNDS = 9
BATCH = 100
KEYS = [f"metric_{number:02}" for number in range(50)]


#: Steps, values and times of one metric, by its place among the metrics, from a step on.
Columns = Callable[[int, int, int], tuple[Any, Any, Any]]


def _alike(_place: int, first: int, count: int) -> tuple[Any, Any, Any]:
    return points(first, count)


def fill(link: Connection, keys: Sequence[str], count: int, columns: Columns = _alike) -> str:
    """Make a run with these metrics, sent as a trainer sends them; return its id."""
    run, lease = begin(link)
    opened = {"number": 0, "reason": "start", "start_step": 0, "at": datetime.now(UTC).isoformat()}
    said: dict[str, Any] = {"writer": new_id(), "segments": [opened]}
    for number, first in enumerate(range(0, count, BATCH), 1):
        said |= {"number": number, "columns": [{"segment": 0, "key": key, "count": BATCH} for key in keys]}
        body = pack(said, [columns(place, first, BATCH) for place in range(len(keys))])
        link.send(link.request("POST", f"/runs/{run}/batches", body, BATCH_MEDIA_TYPE, lease))
        said.pop("segments", None)
    return run


def measure(link: Connection, name: str, runs: list[str], keys: list[str], most: int) -> None:
    """Print milliseconds and kilobytes of each way, asked in turns."""
    asked = {"runs": runs, "keys": keys, "max_points": most}
    tails = {run: dict.fromkeys(keys, 1990) for run in runs}
    paths = [f"/runs/{run}/curve?key={key}&max_points={most}" for run in runs for key in keys]
    ways: dict[str, Callable[[], list[bytes]]] = {
        f"{len(paths)} requests": lambda: [link.send(_get(link, path)) for path in paths],
        "one request with times": lambda: [link.send(_post(link, {**asked, "x": "wall"}))],
        "one request": lambda: [link.send(_post(link, asked))],
        "one request, single": lambda: [link.send(_post(link, {**asked, "precision": "single"}))],
        "one request, what came since step 1990": lambda: [link.send(_post(link, {**asked, "after": tails}))],
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    answers: dict[str, list[bytes]] = {}
    for _ in range(ROUNDS):
        for way, ask in ways.items():
            began = time.perf_counter()
            answers[way] = ask()
            seconds[way].append(time.perf_counter() - began)
    for way, taken in seconds.items():
        size = sum(map(len, answers[way])) / 1000
        print(f"{name}: {way}: {statistics.median(taken) * 1000:.1f} ms, {size:.0f} kB")


def _get(link: Connection, path: str) -> bytes:
    return link.request("GET", path, b"", "application/json", "")


def _post(link: Connection, asked: dict[str, Any]) -> bytes:
    return link.request("POST", "/curves", json.dumps(asked).encode(), "application/json", "")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        server.start()
        try:
            link = server.connect()
            many = [fill(link, ["loss"], 10_000) for _ in range(20)]
            measure(link, "20 runs x 10,000 points x 1 key", many, ["loss"], 2000)
            measure(link, "20 runs x 1 key, 64 points each", many, ["loss"], 64)
            measure(link, "1 run x 50 keys x 2,000 points", [fill(link, KEYS, 2000)], KEYS, 2000)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
