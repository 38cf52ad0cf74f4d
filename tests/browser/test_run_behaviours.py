"""Behaviours that hold for every run: what leads the table, what empty pages teach, honesty, zoom, motion, pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from keepbest.client.client import Client
from keepbest.contract.runs import RunRequest
from tests.browser.conftest import Tracker
from tests.support.story import CNN, Story, now, register_worker

pytestmark = pytest.mark.browser
Tell = Callable[..., Story]
OpenContext = Callable[..., BrowserContext]
#: A window of 1280 x 800 at 200 % has this many pixels of CSS.
ZOOMED = {"width": 640, "height": 400}


def test_table_leads_with_best_patience_and_saved(page: Page, tell: Tell) -> None:
    tell(project="leads", name="trains").advance(8).advance(2, value=lambda step: 0.4)
    stopped = tell(project="leads", name="stopped").advance(40)
    stopped.finish()
    page.goto("/p/leads")
    page.get_by_role("button", name="Table", exact=True).click()
    heads = page.get_by_role("columnheader")
    expect(heads.filter(has_text="Patience")).to_be_visible()
    names = " ".join(heads.all_inner_texts())
    assert 0 <= names.find("Best @ step") < names.find("Last") < names.find("Patience"), names
    trains = page.get_by_role("row").filter(has=page.get_by_role("link", name="trains"))
    expect(trains).to_contain_text("@800")
    expect(trains).to_contain_text("4 checks left")
    expect(page.get_by_role("row").filter(has_text="stopped")).to_contain_text("70 %")


def test_empty_page_turns_live_with_the_first_point(page: Page, client: Client, tracker: Tracker) -> None:
    page.goto("/p/first point")
    expect(page.locator("pre")).to_contain_text(tracker.url)
    worker = register_worker(client, "first")
    story = Story(client, worker, project="first point", name="the first").begin()
    page.get_by_role("link", name="the first").first.click()
    expect(page.get_by_text("The curves begin with the first")).to_be_visible()
    story.advance(1)
    expect(page.get_by_label("Curves of accuracy")).to_contain_text("@100")


def test_silent_worker_differs_from_a_tracker_that_is_away(page: Page, tell: Tell) -> None:
    story = tell(name="silent").advance(2)

    def age(route: Route) -> None:
        answer = route.fetch()
        run = {**answer.json(), "heard_at": (now() - timedelta(minutes=3)).isoformat()}
        route.fulfill(response=answer, body=json.dumps(run))

    page.route(f"**/api/v1/runs/{story.id}", age)
    page.goto(f"/r/{story.id}")
    expect(page.get_by_text("The worker has sent nothing for 3 min")).to_be_visible()
    expect(page.get_by_role("banner").get_by_role("status")).to_have_text("live")


@pytest.mark.parametrize("path", ["/", "/workers", "/storage", "/team", "/settings", "/p/zoomed", "run", "compare"])
def test_page_at_twice_its_size_has_no_sideways_scroll(open_context: OpenContext, tell: Tell, path: str) -> None:
    story = tell(project="zoomed", name="seen twice as large").advance(4)
    page = open_context(viewport=ZOOMED, device_scale_factor=2).new_page()
    page.goto({"run": f"/r/{story.id}", "compare": f"/p/zoomed/compare?r={story.id}"}.get(path, path))
    has_charts = path in ("run", "compare", "/p/zoomed")
    expect((page.locator("canvas") if has_charts else page.get_by_role("heading")).first).to_be_visible()
    story.finish()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window"


def test_nothing_moves_where_a_person_wants_no_motion(open_context: OpenContext, tell: Tell) -> None:
    story = tell(name="still").advance(4)
    page = open_context(reduced_motion="reduce").new_page()
    page.goto(f"/r/{story.id}")
    page.get_by_role("button", name="Stop…").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    moving = "document.getAnimations().filter((motion) => motion.effect.getComputedTiming().activeDuration > 1).length"
    assert page.evaluate(moving) == 0
    slow = "(all) => all.filter((node) => parseFloat(getComputedStyle(node).transitionDuration) > 0.01).length"
    assert page.locator("*").evaluate_all(slow) == 0


@pytest.mark.parametrize("where", ["run", "compare"])
def test_chart_is_saved_as_a_picture_and_as_numbers(page: Page, tell: Tell, where: str) -> None:
    story = tell(project="saved", name=f"saved from {where}").advance(4)
    page.goto(f"/r/{story.id}" if where == "run" else f"/p/saved/compare?r={story.id}")
    card = page.get_by_label("Curves of val_loss" if where == "compare" else "Curves of loss", exact=True)
    expect(card.locator("canvas").first).to_be_visible()
    heads = {"run": b"metric,step,value,time,abandoned", "compare": b"run,name,step,val_loss"}
    for kind, begins in (("PNG", b"\x89PNG"), ("CSV", heads[where])):
        with page.expect_download() as download:
            card.get_by_role("button", name=f"as {kind}").click()
        path = download.value.path()
        assert download.value.suggested_filename.endswith(kind.lower())
        assert path.read_bytes().startswith(begins)
        assert len(path.read_bytes()) > 100
    card.get_by_role("button", name="Table").click()
    expect(card.get_by_role("row").nth(1)).to_be_visible()


def test_address_of_the_latest_run_follows_a_new_one(page: Page, client: Client, tell: Tell) -> None:
    tell(project="follows", name="older").advance(1)
    page.goto("/p/follows/latest")
    expect(page.get_by_role("heading", name="older")).to_be_visible()
    expect(page).to_have_title(re.compile("^▶ .*@100"))
    asked = {"project": "follows", "name": "newer", "source": {"kind": "recipe", "name": CNN.name}}
    client.cancel_run(client.submit(RunRequest.model_validate(asked)).id)
    expect(page.get_by_role("heading", name="newer")).to_be_visible()
