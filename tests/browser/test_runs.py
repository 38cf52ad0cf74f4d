"""Projects and the table of runs: 10,000 of them, filtered, sorted, windowed, all of it in the address."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import insert, literal, select

from keepbest.client.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.runs import RunRequest
from tests.browser.conftest import Tracker
from tests.support.processes import wait_until
from tests.support.story import Story
from tracker import db
from tracker.models import RunTable, RunTagTable

pytestmark = pytest.mark.browser
MANY = 10_000
SOME = 400
ROWS = "tbody tr:not([aria-hidden])"


@pytest.fixture(scope="session")
def write_runs(tracker: Tracker, client: Client, worker: str) -> Callable[[str, int], str]:
    """Write runs, as if they had been trained, straight into the database; return the project's name."""

    def write(project: str, count: int) -> str:
        told = Story(client, worker, project=project, name="seed run").begin().advance(2)
        told.finish("user", "enough")
        engine = db.make_engine(f"sqlite:///{tracker.folder / 'tracker.db'}")
        with db.write(engine) as conn:
            row = dict(conn.execute(select(*RunTable.__table__.columns).where(RunTable.id == told.id)).one()._mapping)
            conn.execute(insert(RunTable), [_copy(row, number) for number in range(2, count + 1)])
            tagged = select(RunTable.pk, literal("golden"), RunTable.project_pk)
            golden = tagged.where(RunTable.project_pk == row["project_pk"], RunTable.number % 100 == 7)
            conn.execute(insert(RunTagTable).from_select(["run_pk", "tag", "project_pk"], golden))
        engine.dispose()
        return project

    return write


@pytest.fixture(scope="session")
def some(write_runs: Callable[[str, int], str]) -> str:
    return write_runs("some", SOME)


def _copy(row: dict[str, Any], number: int) -> dict[str, Any]:
    kept = {name: value for name, value in row.items() if name not in {"pk", "idempotency_key"}}
    own = {"id": new_id(), "number": number, "name": f"run {number}", "tags": ["golden"] if number % 100 == 7 else []}
    best = round(0.5 + (number * 7919 % MANY) / (2 * MANY), 6)
    return {**kept, **own, "best_value": best, "created_at": row["created_at"] + timedelta(seconds=number)}


def shown(page: Page) -> int:
    return page.locator(ROWS).count()


def first_name(page: Page) -> str:
    return page.locator(f"{ROWS} a").first.inner_text()


def test_ten_thousand_runs_are_few_rows(page: Page, write_runs: Callable[[str, int], str]) -> None:
    """Regression: scrolled to the end, then filtered, the table said "280 matches" and was empty."""
    page.goto(f"/p/{write_runs('many', MANY)}")
    expect(page.get_by_text(re.compile(r"^\s*10,000 runs"))).to_be_visible()
    assert 10 < shown(page) < 60
    expect(page.get_by_role("table")).to_have_attribute("aria-rowcount", str(MANY + 1))
    assert first_name(page) == f"run {MANY}"

    page.get_by_role("region", name="Runs").evaluate("table => table.scrollTo(0, table.scrollHeight)")
    expect(page.get_by_role("link", name=f"run {MANY - 55}", exact=True)).to_be_attached()
    page.get_by_label("Filter runs").fill("golden")

    expect(page.get_by_text(re.compile(r"^\s*100 runs match"))).to_be_visible()
    expect(page.locator(ROWS).first).to_be_in_viewport()
    assert 10 < shown(page) < 60


def test_what_is_seen_is_in_the_address(page: Page, some: str) -> None:
    page.goto(f"/p/{some}")
    page.get_by_label("Filter runs").fill("golden")
    page.get_by_role("button", name="Best @ step").click()
    expect(page.locator(ROWS)).to_have_count(4)
    bests = page.locator(f"{ROWS} strong")
    wait_until(lambda: sorted(bests.all_inner_texts(), key=float, reverse=True) == bests.all_inner_texts())
    before = bests.all_inner_texts()

    page.goto(page.evaluate("location.href"))

    expect(page.locator(ROWS)).to_have_count(4)
    assert bests.all_inner_texts() == before
    expect(page.get_by_label("Filter runs")).to_have_value("golden")


def test_a_filter_that_fits_nothing_says_so(page: Page, some: str) -> None:
    page.goto(f"/p/{some}?q=nothing-like-this")
    expect(page.get_by_text("No run matches this filter.")).to_be_visible()
    page.get_by_role("button", name="Show all").click()
    expect(page.get_by_text(re.compile(r"^\s*400 runs"))).to_be_visible()
    number = page.locator(f"{ROWS} td").first
    expect(number).to_contain_text("400")
    assert number.evaluate("cell => cell.scrollWidth <= cell.clientWidth"), "the number of a run was cut off"


@pytest.mark.parametrize("path", ["", "?table=1"])
def test_no_number_of_a_run_is_cut_off(page: Page, some: str, path: str) -> None:
    page.set_viewport_size({"width": 1100, "height": 700})
    page.goto(f"/p/{some}{path}")
    expect(page.locator(f"{ROWS} td.best strong").first).to_be_visible()
    cut_off = """cells => cells.filter((cell) => cell.scrollWidth > cell.clientWidth
        || cell.getBoundingClientRect().right > cell.closest('table').parentElement.getBoundingClientRect().right + 1)
        .map((cell) => cell.innerText)"""
    assert page.locator(f"{ROWS} td.best").evaluate_all(cut_off) == []


def test_the_keyboard_filters_walks_and_opens(page: Page, some: str) -> None:
    page.goto(f"/p/{some}")
    expect(page.get_by_text(re.compile(r"^\s*400 runs"))).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("golden")
    expect(page.locator(ROWS)).to_have_count(4)
    page.get_by_label("Filter runs").blur()

    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="run 207")).to_be_visible()
    page.go_back()
    expect(page.locator(ROWS)).to_have_count(4)


def test_rows_follow_what_happens(page: Page, tell: Callable[..., Story]) -> None:
    story = tell(project="live rows", name="moving")
    page.goto("/p/live%20rows")
    row = page.locator(ROWS).filter(has_text="moving")
    expect(row).to_contain_text("running")

    story.advance(3)
    assert story.best is not None
    expect(row).to_contain_text(f"@{story.best[2]}")
    another = tell(project="live rows", name="newcomer")
    expect(page.locator(ROWS).filter(has_text="newcomer")).to_be_visible()
    story.finish("user", "enough")
    expect(row).to_contain_text("finished")
    another.fail(code="code_failed", message="It broke.")
    expect(page.locator(ROWS).filter(has_text="newcomer")).to_contain_text("failed")


def test_projects_lead_to_their_runs_and_to_the_latest(page: Page, tell: Callable[..., Story]) -> None:
    tell(project="team/vision", name="older").fail(code="x", message="x")
    tell(project="team/vision", name="newest").fail(code="x", message="x")
    page.goto("/")
    card = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="team/vision", exact=True))

    card.get_by_role("link", name="Follow the latest run").click()
    expect(page.get_by_role("heading", name="newest", exact=True)).to_be_visible()
    tell(project="team/vision", name="newer still").fail(code="x", message="x")
    expect(page.get_by_role("heading", name="newer still")).to_be_visible()

    page.get_by_role("link", name="team/vision", exact=True).click()
    expect(page.locator(ROWS)).to_have_count(3)


def test_empty_pages_teach_the_next_command(page: Page, tracker: Tracker) -> None:
    page.route("**/api/v1/projects*", lambda route: route.fulfill(json={"projects": [], "cursor": None, "total": 0}))
    page.route("**/api/v1/workers", lambda route: route.fulfill(json={"workers": []}))
    taught = {"/": "keepbest submit", "/p/nothing-yet": "keepbest submit", "/workers": "keepbest worker"}
    for path, command in taught.items():
        page.goto(path)
        expect(page.locator("pre")).to_contain_text(command)
        expect(page.locator("pre")).to_contain_text(tracker.url)


def test_an_address_that_leads_nowhere_says_so(page: Page) -> None:
    page.goto("/nowhere/at/all")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    page.goto("/r/zzzzzzzzzzzz")
    expect(page.get_by_role("heading", name="There is no run")).to_be_visible()


def test_a_queued_run_can_be_cancelled(page: Page, client: Client, worker: str) -> None:
    request = {"project": "queue", "name": "waiting", "source": {"kind": "recipe", "name": "hvass-cnn"}}
    run = client.submit(RunRequest.model_validate(request))
    page.goto(f"/r/{run.id}")
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Cancel the run").click()

    expect(page.get_by_text("cancelled", exact=True)).to_be_visible()
    assert client.run(run.id).state.value == "cancelled"
