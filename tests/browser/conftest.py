"""A real tracker on SQLite, a real Chromium, and a page that is signed in and must stay free of errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, expect, sync_playwright

from keepbest.checkpoint import Store
from keepbest.client.client import Client
from keepbest.errors import KeepbestError
from tests.support.need import need, need_chromium
from tests.support.network import free_port
from tests.support.processes import PATIENCE, ROOT, Process
from tests.support.story import Story, register_worker

BUILT = ROOT / "tracker" / "webui_dist"
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: A browser logs each answer that is not 2xx; tests that provoke one check the words on the page.
HARMLESS = "Failed to load resource"

expect.set_options(timeout=PATIENCE * 1000)


@dataclass
class Tracker:
    """A tracker process of its own, and a client with its admin's token."""

    folder: Path
    port: int
    process: Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return (self.folder / "admin-token").read_text().strip()

    @property
    def client(self) -> Client:
        return Client(self.url, self.token)

    def start(self) -> None:
        """Start the process again, in the same folder and on the same port."""
        self.process = start_process(self.folder, self.port)

    def stop(self) -> None:
        self.process.kill_group()


@pytest.fixture(scope="session")
def start_tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Tracker]]:
    """Start trackers; all of them end with the tests."""
    need((BUILT / "index.html").is_file(), "needs the dashboard: make dashboard")
    started: list[Tracker] = []

    def start() -> Tracker:
        folder, port = tmp_path_factory.mktemp("tracker"), free_port()
        started.append(Tracker(folder, port, start_process(folder, port)))
        return started[-1]

    yield start
    for tracker in started:
        tracker.stop()


@pytest.fixture(scope="session")
def tracker(start_tracker: Callable[[], Tracker]) -> Tracker:
    return start_tracker()


# What the tests of a module share is made once a session, too: a process that takes tests from another goes through a
# module in several visits.


@pytest.fixture(scope="session")
def client(tracker: Tracker) -> Client:
    return tracker.client


@pytest.fixture(scope="session")
def worker(client: Client) -> str:
    return register_worker(client)


@pytest.fixture
def tell(client: Client, worker: str) -> Callable[..., Story]:
    """Begin a run; the test then lets it train, roll back, fail or finish."""
    return lambda **asked: Story(client, worker, **asked).begin()


@pytest.fixture(scope="session")
def four_runs(client: Client, worker: str) -> list[Story]:
    """Tell four runs with two learning rates, the oldest first."""
    told = []
    for rate, name in zip([0.001, 0.01, 0.01, 0.1], ["first", "second", "third", "fourth"], strict=True):
        story = Story(client, worker, project="twenty behaviours", name=name, parameters={"learning_rate": rate})
        told.append(story.begin().advance(4))
        story.finish("user", "enough")
    return told


@pytest.fixture(scope="session")
def store(tracker: Tracker) -> Store:
    """The tracker's own store, for runs whose checkpoints must be there."""
    return Store(tracker.folder / "store")


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    launched = playwright.chromium.launch(executable_path=need_chromium(), args=CHROMIUM_ARGUMENTS)
    yield launched
    launched.close()


@pytest.fixture
def open_context(browser: Browser, tracker: Tracker) -> Iterator[Callable[..., BrowserContext]]:
    """Open browser profiles of their own; `signed_in=False` leaves one without a session."""
    opened: list[BrowserContext] = []
    said: list[str] = []

    def open_one(*, signed_in: bool = True, at: Tracker = tracker, **options: Any) -> BrowserContext:
        options.setdefault("viewport", {"width": 1360, "height": 860})
        context = browser.new_context(base_url=at.url, **options)
        context.set_default_timeout(PATIENCE * 1000)
        context.on("console", lambda message: said.extend(_complaint(message)))
        context.on("weberror", lambda error: said.append(str(error.error)))
        opened.append(context)
        if signed_in:
            sign_in(context, at.token)
        return context

    yield open_one
    for context in opened:
        context.close()
    assert not said, "the page complained:\n" + "\n".join(said)


def end_session(page: Page, *, at: str) -> None:
    """Have the tracker refuse the page's session at one address of the API, not before the page asks there."""
    page.route(
        f"**/api/v1/{at}",
        lambda route: route.continue_(headers={**route.request.headers, "authorization": "Bearer ended"}),
    )


@pytest.fixture
def page(open_context: Callable[..., BrowserContext]) -> Page:
    return open_context().new_page()


def sign_in(context: BrowserContext, token: str) -> None:
    """Give the profile a session, without the page."""
    headers = {"content-type": "application/json"}
    answer = context.request.post("/api/v1/signin", data=json.dumps({"token": token}), headers=headers)
    assert answer.ok, answer.text()


def _complaint(message: ConsoleMessage) -> list[str]:
    serious = message.type in {"error", "warning"} and HARMLESS not in message.text
    return [f"{message.type}: {message.text}"] if serious else []


def start_process(folder: Path, port: int) -> Process:
    """Start a tracker on a folder and a port; return when it answers."""
    variables = {"KEEPBEST_DIR": str(folder), "KEEPBEST_PORT": str(port), "KEEPBEST_LEASE_SECONDS": "3600"}
    command = [sys.executable, "-m", "tracker.server"]
    process = Process(command, output=folder / "server.log", folder=ROOT, variables=variables)
    process.wait_until(lambda: _answers(folder, port), what="the tracker's first answer")
    return process


def _answers(folder: Path, port: int) -> bool:
    if not (folder / "admin-token").is_file():
        return False
    try:
        return Client(f"http://127.0.0.1:{port}", "none", timeout_seconds=2).health().status == "ok"
    except KeepbestError:
        return False
