"""Charts in one browser: keepbest beside TensorBoard and Trackio, the same points, in turns.

Run with `make bench-browser` (ROUNDS=3). The peers live in a virtual environment of their own, build/bench-browser or
$KEEPBEST_BENCH_DIR/peers, made once: keepbest never depends on them. A page counts as drawn once it shows its charts
with data; bytes and heap are read three seconds later, after a collection of garbage. Each window rests before it opens
the page: Chromium 156 loads four hundred modules of its own for each, which would be measured as every tool's.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, BrowserContext, ViewportSize, sync_playwright

from tests.benchmarks.bench_curves import Columns, fill
from tests.benchmarks.bench_tracker import Server
from tests.benchmarks.write_peers import value
from tests.browser.conftest import CHROMIUM_ARGUMENTS, sign_in
from tests.support.environment import BENCH_DIR, clean_environment
from tests.support.need import need_chromium
from tests.support.network import free_port
from tests.support.processes import ROOT, Process

PACKAGES = ("tensorboard==2.21.0", "setuptools<81", "trackio==0.43.0")
WINDOW: ViewportSize = {"width": 1360, "height": 860}
PATIENCE_MS = 180_000
SETTLES_SECONDS = 3


@dataclass(frozen=True)
class Points:
    """What is drawn; `charts` of them are in the window at first."""

    what: str
    runs: int
    metrics: int
    steps: int
    charts: int

    @property
    def keys(self) -> list[str]:
        return [f"m/metric_{number:02}" for number in range(self.metrics)]


DATA = (
    Points("50 metrics x 2,000 points", 1, 50, 2000, 3),
    Points("20 runs overlaid x 10,000 points", 20, 1, 10_000, 1),
)
#: How many canvases have a pixel of a colour: axes and grids are grey.
COLORED = """[...document.querySelectorAll('canvas')].filter((canvas) => {
  if (!canvas.width || !canvas.height) return false
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  for (let at = 0; at < data.length; at += 4) {
    const red = data[at], green = data[at + 1], blue = data[at + 2]
    if (data[at + 3] > 100 && Math.max(red, green, blue) - Math.min(red, green, blue) > 30) return true
  }
  return false
}).length"""
#: TensorBoard draws in a worker, where no page looks: its axis has the steps of the data once they are there.
AXES = r"""[...document.querySelectorAll('line-chart .x-axis')]
  .filter((axis) => /\d{3}|\dk/.test(axis.textContent)).length"""


@dataclass(frozen=True)
class Seen:
    """What one page took: seconds until its charts, bytes of JavaScript's heap, bytes that came."""

    seconds: float
    heap: float
    bytes: float


@dataclass(frozen=True)
class Tool:
    """A tool that serves these points: where, and how its page tells that it has drawn."""

    name: str
    url: str
    drawn: str
    token: str | None = None


@contextmanager
def serve_keepbest(points: Points, folder: Path) -> Iterator[Tool]:
    server = Server(folder)
    server.start()
    try:
        link = server.connect()
        runs = [fill(link, points.keys, points.steps, _columns(points, run)) for run in range(points.runs)]
        path = f"/r/{runs[0]}" if points.runs == 1 else f"/p/default?first={points.runs}"
        yield Tool("keepbest", f"http://127.0.0.1:{server.port}{path}", COLORED, link.token)
    finally:
        server.stop()


def _columns(points: Points, run: int) -> Columns:
    def draw(metric: int, first: int, count: int) -> tuple[Any, Any, Any]:
        steps = np.arange(first, first + count)
        values = np.array([value(run, metric, step, points.steps) for step in range(first, first + count)])
        return steps, values.astype(np.float32).astype(float), 1.7e9 + steps

    return draw


@contextmanager
def serve_tensorboard(points: Points, folder: Path, python: Path) -> Iterator[Tool]:
    """`scalars=100000` keeps every point; TensorBoard 2.21 shows nothing with `scalars=0`."""
    _write(python, "tensorboard", folder, points)
    port = free_port()
    options = ["--logdir", str(folder), "--port", str(port), "--samples_per_plugin", "scalars=100000"]
    with _running([str(python.with_name("tensorboard")), *options], folder, port):
        yield Tool("TensorBoard 2.21", f"http://localhost:{port}/#timeseries", AXES)


@contextmanager
def serve_trackio(points: Points, folder: Path, python: Path) -> Iterator[Tool]:
    _write(python, "trackio", folder, points)
    port = free_port()
    command = [str(python.with_name("trackio")), "show", "--project", "bench", "--host", "127.0.0.1"]
    with _running(command, folder, port):
        yield Tool("Trackio 0.43", f"http://127.0.0.1:{port}/?selected_project=bench", COLORED)


@contextmanager
def _running(command: Sequence[str], folder: Path, port: int) -> Iterator[None]:
    variables = {**_variables(folder), "GRADIO_SERVER_PORT": str(port)}
    process = Process(command, output=folder / "log", folder=folder, variables=variables)
    try:
        process.wait_until(lambda: _listens(port), what="the server")
        time.sleep(SETTLES_SECONDS)  # the files are read in the background
        yield
    finally:
        process.kill_group()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _variables(folder: Path) -> dict[str, str]:
    return {"TRACKIO_DIR": str(folder), "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}


def _write(python: Path, peer: str, folder: Path, points: Points) -> None:
    command = [str(python), str(Path(__file__).with_name("write_peers.py")), peer, str(folder)]
    sizes = [str(points.runs), str(points.metrics), str(points.steps)]
    subprocess.run([*command, *sizes], env=clean_environment(**_variables(folder)), check=True)


def look(browser: Browser, tool: Tool, charts: int) -> Seen:
    """Open the page in a profile of its own, with empty caches."""
    context = browser.new_context(viewport=WINDOW, base_url=tool.url, bypass_csp=True)
    if tool.token is not None:
        sign_in(context, tool.token)
    try:
        return _look(context, tool, charts)
    finally:
        context.close()


def _look(context: BrowserContext, tool: Tool, charts: int) -> Seen:
    page = context.new_page()
    page.wait_for_timeout(SETTLES_SECONDS * 1000)
    session = context.new_cdp_session(page)
    received: list[float] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    session.send("Network.enable")
    began = time.perf_counter()
    page.goto(tool.url, wait_until="commit", timeout=PATIENCE_MS)
    page.wait_for_function(f"{tool.drawn} >= {charts}", polling=50, timeout=PATIENCE_MS)
    seconds = time.perf_counter() - began
    page.wait_for_timeout(SETTLES_SECONDS * 1000)
    session.send("HeapProfiler.collectGarbage")
    heap: dict[str, Any] = session.send("Runtime.getHeapUsage")
    return Seen(seconds, heap["usedSize"], sum(received))


def make_peers() -> Path:
    """Return the Python of the peers' environment, made where it is not there yet."""
    home = Path(BENCH_DIR or ROOT / "build" / "bench-browser") / "peers"
    python = home / "bin" / "python"
    if not python.is_file():
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    return python


def measure(browser: Browser, python: Path, points: Points, rounds: int) -> dict[str, Seen]:
    """Return the median of each tool, looked at in turns."""
    with (
        tempfile.TemporaryDirectory() as place,
        serve_keepbest(points, _folder(place, "keepbest")) as ours,
        serve_tensorboard(points, _folder(place, "tensorboard"), python) as tensorboard,
        serve_trackio(points, _folder(place, "trackio"), python) as trackio,
    ):
        tools = (ours, tensorboard, trackio)
        seen: dict[str, list[Seen]] = {tool.name: [] for tool in tools}
        for _ in range(rounds):
            for tool in tools:
                seen[tool.name].append(look(browser, tool, points.charts))
    return {name: _median(looks) for name, looks in seen.items()}


def _folder(place: str, name: str) -> Path:
    folder = Path(place, name)
    folder.mkdir()
    return folder


def _median(looks: Sequence[Seen]) -> Seen:
    columns = zip(*((look.seconds, look.heap, look.bytes) for look in looks), strict=True)
    return Seen(*map(statistics.median, columns))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    python = make_peers()
    print(f"{os.cpu_count()} cores, median of {given.rounds}; ratios are those to keepbest", flush=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=need_chromium(), args=CHROMIUM_ARGUMENTS)
        for points in DATA:
            figures = measure(browser, python, points, given.rounds)
            ours = figures["keepbest"]
            for name, seen in figures.items():
                shown = (
                    f"{seen.seconds:6.2f} s ({seen.seconds / ours.seconds:.1f} x), heap {seen.heap / 1e6:5.1f} MB "
                    f"({seen.heap / ours.heap:.1f} x), {seen.bytes / 1e6:5.2f} MB ({seen.bytes / ours.bytes:.1f} x)"
                )
                print(f"  {points.what:<34} {name:<18} {shown}", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
