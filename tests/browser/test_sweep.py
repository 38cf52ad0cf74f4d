"""A sweep's page: the best run, which parameter mattered, a line for each run, and its end."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import update

from keepbest.client.client import Client
from keepbest.contract.sweeps import Sweep, SweepRequest
from keepbest.status import RunState
from keepbest.stopping import parse
from tests.browser.conftest import Tracker
from tests.browser.test_accessible import faults
from tracker import db
from tracker.db import Engine
from tracker.models import RunTable
from tracker.scheduler import jobs
from tracker.settings import TrackerSettings
from tracker.store import runs
from tracker.store.sweeps import rungs

pytestmark = pytest.mark.browser
PROJECT = "swept"
SPACE = {
    "learning_rate": {"kind": "log_uniform", "low": 1e-4, "high": 0.1},
    "units": {"kind": "choices", "values": [16, 32, 64]},
}


@pytest.fixture(scope="session")
def engine(tracker: Tracker) -> Iterator[Engine]:
    engine = db.make_engine(f"sqlite:///{tracker.folder / 'tracker.db'}")
    yield engine
    engine.dispose()


def begin(client: Client, **said: Any) -> Sweep:
    run = {
        "source": {"kind": "recipe", "name": "hvass-cnn"},
        "project": PROJECT,
        "data": "digits",
        **said.pop("run", {}),
    }
    usual = {"space": SPACE, "search": "random", "runs": 24, "at_once": 24}
    return client.begin_sweep(SweepRequest.model_validate({"run": run, **usual, **said}))


def schedule(engine: Engine) -> None:
    jobs.top_up_sweeps(TrackerSettings.load({}), engine, datetime.now(UTC))


@pytest.fixture(scope="session")
def swept(client: Client, worker: str, engine: Engine) -> Sweep:
    """A sweep whose runs are the better the nearer their learning rate is to 0.01; one failed."""
    sweep = begin(client)
    schedule(engine)
    with db.write(engine) as conn:
        for run in client.sweep(sweep.id).runs:
            value = 0.97 - 0.1 * abs(math.log10(run.parameters["learning_rate"]) + 2)
            ended = {"state": "finished", "best_value": value, "best_step": 800, "step": 1400}
            conn.execute(
                update(RunTable)
                .where(RunTable.id == run.run)
                .values(**ended if run.number != 5 else {"state": "failed"})
            )
    schedule(engine)
    return client.sweep(sweep.id).sweep


def test_the_page_shows_the_best_and_what_mattered(page: Page, swept: Sweep) -> None:
    assert swept.best is not None
    page.goto(f"/p/{PROJECT}/sweeps")
    page.get_by_role("link", name="hvass-cnn").first.click()
    expect(page).to_have_url(re.compile(f"/s/{swept.id}$"))
    best = page.get_by_role("region", name="Best run")
    expect(best.get_by_role("link")).to_have_attribute("href", f"/r/{swept.best.run}")
    importance = page.get_by_role("region", name="Importance of the parameters")
    expect(importance.locator("dt").first).to_have_text("learning_rate")
    expect(page.get_by_role("region", name="State of the runs")).to_contain_text("23 finished")
    rows = page.get_by_role("region", name="Runs with their parameters").get_by_role("row")
    expect(rows).to_have_count(25)
    expect(rows.nth(1)).to_contain_text("best")

    page.get_by_role("button", name="Report", exact=True).click()
    report = page.get_by_role("article", name="Report")
    expect(report.get_by_role("note")).to_contain_text("Selected, optimistic")
    expect(report.locator("figure svg circle")).to_have_count(23)
    page.get_by_role("button", name="Report", exact=True).click()
    chart = page.get_by_role("region", name="Parallel coordinates")
    expect(chart.locator("path.line")).to_have_count(24)
    rows.nth(3).get_by_role("link").focus()
    expect(chart.locator("path.pointed")).to_have_count(1)
    page.get_by_role("heading", name="Parameters and results").click()
    for key in ("j", "j", "k"):
        page.keyboard.press(key)
    expect(rows.nth(1)).to_have_class(re.compile("chosen"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/r/{swept.best.run}$"))
    expect(page.get_by_role("link", name=f"sweep {swept.id}")).to_have_attribute("href", f"/s/{swept.id}")


def pause(engine: Engine, run: str) -> None:
    now = datetime.now(UTC)
    with db.write(engine) as conn:
        row = runs.get_run(conn, run)
        row = runs.move_run(conn, row, RunState.LEASED, now=now)
        row = runs.move_run(conn, row, RunState.RUNNING, now=now, step=100, best_value=0.5, best_step=100)
        rungs.pause(conn, row, 1, "It waits.", now)


def test_an_empty_page_teaches_and_a_new_sweep_is_cancelled(page: Page, client: Client, engine: Engine) -> None:
    page.goto("/p/nowhere/sweeps")
    expect(page.get_by_label("the commands", exact=True)).to_contain_text("keepbest sweep hvass-cnn")
    sweep = begin(client, runs=2, at_once=1, run={"stopper": parse("successive_halving(100)")})
    page.goto(f"/s/{sweep.id}")
    expect(page.get_by_text("The scheduler submits the first runs")).to_be_visible()
    schedule(engine)
    expect(page.get_by_text("1 of 2 runs submitted")).to_be_visible()
    pause(engine, client.sweep(sweep.id).runs[0].run)
    rung = page.get_by_role("region", name="Runs at each rung").get_by_role("row").nth(1)
    expect(rung).to_have_text(re.compile(r"\s*1\s*100\s*1\s*1\s*0\s*0\.5"))
    expect(page.get_by_role("region", name="Runs with their parameters")).to_contain_text("paused")
    assert faults(page) == []
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Cancel the sweep").click()
    expect(page.get_by_text("cancelled by admin")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel…")).to_have_count(0)


def test_sweeps_are_for_everybody(open_context: Callable[..., BrowserContext], swept: Sweep) -> None:
    page = open_context(reduced_motion="reduce").new_page()
    pages = {
        f"/s/{swept.id}": "other of 23 finished runs",
        f"/p/{PROJECT}/sweeps": "24 of 24",
        "/p/none/sweeps": "No sweep in",
    }
    for address, text in pages.items():
        page.goto(address)
        expect(page.get_by_text(text).first).to_be_visible()
        assert faults(page) == []
