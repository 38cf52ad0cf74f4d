"""How long a person waits: from the click on "Roll back" in the page to "done" in it, a real training between.

Run with `python -m tests.benchmarks.bench_click`; it needs Chromium and the dashboard (`make dashboard`).
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from keepbest.client.client import Client
from keepbest.contract.runs import Run, RunRequest
from tests.browser.conftest import CHROMIUM_ARGUMENTS, sign_in
from tests.support.need import need_chromium
from tests.support.network import free_port
from tests.support.processes import ROOT, Process, wait_until

ROUNDS = 10
SNAPSHOTS = 3  # what memory holds: older bests are only on disk
ENDLESS = 10**7
#: In the page itself, so that nothing but the page is measured: milliseconds from the click until "done" is shown.
CLICK = """
() => new Promise(resolve => {
  const dialog = document.querySelector('dialog[open]')
  const began = performance.now()
  const seen = () => /done in .*from (memory|disk)/.exec(dialog.textContent)
  new MutationObserver((_, observer) => {
    if (!seen()) return
    observer.disconnect()
    resolve([performance.now() - began, seen()[1]])
  }).observe(dialog, { subtree: true, childList: true, characterData: true })
  dialog.querySelector('button.primary').click()
})
"""


@contextmanager
def service() -> Iterator[tuple[str, str]]:
    """`keepbest up` in a folder of its own: its address and its admin's token."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        command = [sys.executable, "-m", "keepbest.cli.main", "up", "--dir", folder, "--port", str(port)]
        process = Process(command, output=Path(folder) / "up.log", folder=ROOT, variables={})
        try:
            token = Path(folder) / "admin-token"
            wait_until(lambda: token.is_file() and token.read_text())
            yield f"http://127.0.0.1:{port}", token.read_text().strip()
        finally:
            process.popen.terminate()
            process.popen.wait(60)


def start_run(client: Client) -> Run:
    """Start an endless training that keeps every best on disk; return it once some are no longer in memory."""
    endless = {"max_steps": ENDLESS, "validate_every": 50, "retention": {"best": 100}}
    stopper = {"name": "patience", "params": {"steps": ENDLESS}}
    source = {"kind": "recipe", "name": "hvass-cnn"}
    asked = {"project": "clicks", "source": source, "data": "digits", "stopper": stopper, **endless}
    wait_until(lambda: client.workers().workers)
    run = client.submit(RunRequest.model_validate(asked))
    wait_until(lambda: len(client.checkpoints(run.id).checkpoints) > 2 * SNAPSHOTS)
    return client.run(run.id)


def click(page: Page, place: str) -> tuple[float, str]:
    """Roll back to a place of the dialog; return milliseconds and where the state was found."""
    page.get_by_role("button", name="Roll back…").first.click()
    page.get_by_role("dialog").get_by_role("radio", name=re.compile(place)).last.check()
    took, source = page.evaluate(CLICK)
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    return float(took), str(source)


def main() -> None:
    try:
        chromium = need_chromium()
    except pytest.skip.Exception as missing:
        print(f"Left out: {missing}")
        return
    print(f"From the click on 'Roll back' to 'done' on the page, median of {ROUNDS} (least to most):")
    with service() as (url, token), sync_playwright() as playwright:
        run = start_run(Client(url, token, retries=100))
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        context = browser.new_context(base_url=url)
        sign_in(context, token)
        page = context.new_page()
        page.goto(f"/r/{run.id}")
        for place, where in (("^the best", "memory"), ("^step", "disk")):
            found = [click(page, place) for _ in range(ROUNDS)]
            assert {source for _, source in found} == {where}, found
            took = [milliseconds for milliseconds, _ in found]
            print(f"  from {where:8} {statistics.median(took):5.0f} ms ({min(took):.0f} to {max(took):.0f})")
        browser.close()


if __name__ == "__main__":
    main()
