"""`make screenshots`: every page, wide, on a laptop and a telephone, light, dark, full and empty, in build/screenshots.

The runs are told, as in the tests of the pages. `--at URL` takes the pages of a tracker that runs already.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, sync_playwright

from keepbest.client.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.runs import RunRequest
from keepbest.contract.shares import ShareRequest
from keepbest.contract.sweeps import SweepRequest
from tests.browser.conftest import CHROMIUM_ARGUMENTS, Tracker, sign_in, start_process
from tests.browser.test_panels import paint
from tests.support.need import need_chromium
from tests.support.network import free_port
from tests.support.processes import ROOT
from tests.support.story import Story, register_worker

SIZES = {"wide": (1440, 900), "laptop": (1100, 700), "phone": (390, 844)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TABS = ("curves", "decisions", "checkpoints", "panels", "artifacts", "replay", "report", "logs", "config")


def main() -> None:
    """Take the pictures that the command line asks for."""
    asked = _read_arguments()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=need_chromium(), args=CHROMIUM_ARGUMENTS)
        if asked.at:
            shoot(browser, asked.at, asked.token, asked, "given")
        else:
            _shoot_own(browser, asked)
        browser.close()
    print(f"Look at {asked.to}")


def shoot(browser: Browser, url: str, token: str, asked: argparse.Namespace, kind: str) -> None:
    """Write `PAGE-SIZE-SCHEME-KIND.png` of every page of one tracker."""
    pages = dict(find_pages(Client(url, token)))
    for size in asked.sizes:
        width, height = SIZES[size]
        context = browser.new_context(
            base_url=url,
            viewport={"width": width, "height": height},
            reduced_motion="reduce",
            has_touch=size == "phone",
        )
        page = context.new_page()
        page.goto("/")
        _save(page, asked, "signin", size, kind)
        sign_in(context, token)
        for name, path in pages.items():
            if not asked.only or any(word in name for word in asked.only):
                page.goto(path)
                _save(page, asked, name, size, kind)
        context.close()
        _shoot_shared(browser, url, token, asked, size, kind)


def _shoot_shared(browser: Browser, url: str, token: str, asked: argparse.Namespace, size: str, kind: str) -> None:
    """Write what the holder of a read-only link to a project sees."""
    client = Client(url, token)
    projects = client.projects().projects
    if not projects or (asked.only and not any(word in "shared" for word in asked.only)):
        return
    width, height = SIZES[size]
    share = client.make_share(ShareRequest(project=projects[0].name, days=1))
    with browser.new_context(base_url=url, viewport={"width": width, "height": height}) as stranger:
        page = stranger.new_page()
        page.goto(str(share.path))
        _save(page, asked, "shared", size, kind)
    client.end_share(share.id)


def find_pages(client: Client) -> Iterator[tuple[str, str]]:
    """Yield the names and addresses of the pages that this tracker has something to show on."""
    yield "projects", "/"
    for name in ("workers", "playground", "settings", "storage", "team"):
        yield name, f"/{name}"
    yield "missing", "/nope"
    projects = [project.name for project in client.projects().projects] or ["default"]
    yield "runs-table", f"/p/{projects[0]}?table=1"
    for name in ("runs", "sweeps", "rules", "replay", "latest", "settings"):
        yield name, f"/p/{projects[0]}{'' if name == 'runs' else '/' + name}"
    runs = [run for run in client.runs(limit=100).runs if run.project == projects[0]]
    if measured := [run.id for run in runs if run.validations]:
        yield "compare", f"/p/{projects[0]}/compare?r={','.join(measured)}"
    yield "compare-none", f"/p/{projects[0]}/compare"
    yield "run-unknown", "/r/none"
    for run in sorted(runs, key=lambda run: -run.validations)[:1]:
        yield from ((f"run-{tab}", f"/r/{run.id}?tab={tab}") for tab in TABS)
    for state in {run.state for run in runs}:
        yield f"run-{state.value}", f"/r/{next(run.id for run in runs if run.state is state)}"
    for sweep in client.sweeps(limit=1).sweeps:
        yield "sweep", f"/s/{sweep.id}"


def tell_stories(client: Client) -> None:
    """Fill a tracker: a run that stopped early after a roll back, two that train, two that failed, one that is deleted,
    and two that wait."""
    worker = register_worker(client)
    story = Story(client, worker, name="stopped early", tags=["baseline"]).begin().advance(8)
    for step in (100, 500, 800):
        paint(story, step)
    story.advance(2, value=lambda step: 0.6).roll_back(learning_rate="0.1x").advance(40)
    for path, data in {
        "plots/roc.svg": b"<svg/>",
        "notes.txt": b"what was tried\n",
        "errors.csv": b"class,n\n3,12\n",
    }.items():
        digest = hashlib.sha256(data).hexdigest()
        client.files.put(story.id, path, BytesIO(data), size=len(data), digest=digest)
    story.print("a line of the log that is far wider than any window, " * 12 + "\n", "stderr")
    story.finish()
    broken = Story(client, worker, name="broken").begin().advance(1)
    broken.fail(
        code="code_failed", message="ValueError in build", hint="Read `keepbest logs`.", traceback="Traceback\n  …"
    )
    Story(client, worker, name="in training").begin().advance(12).hold((new_id(), 1200))
    Story(client, worker, name="ended at once").begin().fail(code="code_failed", message="No data.")
    other: dict[str, Any] = {
        "parameters": {"learning_rate": 0.01},
        "name": "another rate",
        "tags": ["vision", "a rather long tag"],
    }
    paint(Story(client, worker, **other).begin().advance(6), 500)
    deleted = Story(client, worker, name="a mistake").begin().advance(1)
    deleted.finish()
    client.delete_run(deleted.id)
    source = {"kind": "recipe", "name": "hvass-cnn"}
    space = {"learning_rate": {"kind": "log_uniform", "low": 1e-4, "high": 0.1}}
    run = {"source": source, "project": "digits", "data": "digits"}
    client.begin_sweep(SweepRequest.model_validate({"run": run, "space": space, "search": "random", "runs": 6}))
    for name in ("waits", "waits, with a name that is longer than the card is wide"):
        client.submit(RunRequest.model_validate({"project": "digits", "name": name, "source": source}))


def _shoot_own(browser: Browser, asked: argparse.Namespace) -> None:
    for kind in ("full", "empty"):
        folder, port = Path(tempfile.mkdtemp(prefix="keepbest-")), free_port()
        tracker = Tracker(folder, port, start_process(folder, port))
        try:
            if kind == "full":
                tell_stories(tracker.client)
            shoot(browser, tracker.url, tracker.token, asked, kind)
        finally:
            tracker.stop()


def _save(page: Page, asked: argparse.Namespace, name: str, size: str, kind: str) -> None:
    page.wait_for_timeout(asked.wait_ms)  # curves are drawn in a frame of their own, and pictures load one by one
    for scheme in asked.schemes:
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(100)
        page.screenshot(path=asked.to / f"{name}-{size}-{scheme}-{kind}.png", full_page=asked.whole)


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at", help="address of a tracker that runs")
    parser.add_argument("--token", help="its admin's token")
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "screenshots")
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of pages")
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=SIZES)
    parser.add_argument("--schemes", nargs="*", default=list(SCHEMES), choices=SCHEMES)
    parser.add_argument("--whole", action="store_true", help="the whole page, not only what a window shows")
    parser.add_argument("--wait-ms", type=int, default=800)
    asked = parser.parse_args()
    asked.to.mkdir(parents=True, exist_ok=True)
    return asked


if __name__ == "__main__":
    main()
