"""Live pages: one stream for all tabs, polling without a stream, and news again once the tracker is back."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Tracker, end_session
from tests.support.story import Story, register_worker

pytestmark = pytest.mark.browser
OpenContext = Callable[..., BrowserContext]
TABS = 8


def badge(page: Page, word: str) -> None:
    expect(page.get_by_role("banner").get_by_role("status")).to_have_text(word)


def test_more_tabs_than_a_browser_has_connections_are_all_live(
    open_context: OpenContext, tell: Callable[..., Story]
) -> None:
    """Regression: over HTTP/1.1 a browser opens six connections to a server, and the seventh tab never loaded."""
    story = tell(name="seen by many").advance(1)
    context = open_context()
    tabs = [context.new_page() for _ in range(TABS)]
    for tab in tabs:
        tab.goto(f"/r/{story.id}", wait_until="domcontentloaded")
        badge(tab, "live")

    story.advance(1)

    for tab in tabs:
        expect(tab).to_have_title(re.compile("@200"))


def test_without_a_shared_worker_a_tab_has_its_own_stream(
    open_context: OpenContext, tell: Callable[..., Story]
) -> None:
    context = open_context()
    context.add_init_script("delete window.SharedWorker")
    story = tell(name="alone").advance(1)
    page = context.new_page()
    page.goto(f"/r/{story.id}")
    badge(page, "live")

    story.advance(1)
    expect(page).to_have_title(re.compile("@200"))


def test_a_refused_stream_is_polled_instead(open_context: OpenContext, tell: Callable[..., Story]) -> None:
    context = open_context()
    context.add_init_script("delete window.SharedWorker")
    context.route("**/api/v1/stream*", lambda route: route.fulfill(status=503, body="busy"))
    story = tell(name="polled").advance(1)
    page = context.new_page()
    page.goto(f"/r/{story.id}")
    badge(page, "polling")

    story.advance(1)
    expect(page).to_have_title(re.compile("@200"))


def test_it_says_that_the_tracker_is_away_and_comes_back(
    open_context: OpenContext, start_tracker: Callable[[], Tracker]
) -> None:
    own = start_tracker()
    story = Story(own.client, register_worker(own.client), name="survivor").begin().advance(1)
    page = open_context(at=own).new_page()
    page.goto(f"/r/{story.id}")
    badge(page, "live")
    expect(page.get_by_role("heading", name="survivor")).to_be_visible()

    own.stop()
    badge(page, "reconnecting")
    expect(page.get_by_role("heading", name="survivor")).to_be_visible()

    own.start()
    badge(page, "live")
    story.client = own.client
    story.advance(1)
    expect(page).to_have_title(re.compile("@200"))


def test_missed_data_comes_by_itself_once_the_tracker_is_back(
    open_context: OpenContext, start_tracker: Callable[[], Tracker]
) -> None:
    """Regression: a page opened while the tracker went away never recovered, or one of its tabs stayed empty."""
    own = start_tracker()
    story = Story(own.client, register_worker(own.client), name="late").begin().advance(1)
    context = open_context(at=own)
    page, tab = context.new_page(), context.new_page()
    page.route("**/api/v1/runs/*", lambda route: route.abort())
    tab.route("**/assets/ReplayTab*", lambda route: route.abort())
    page.goto(f"/r/{story.id}")
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    tab.goto(f"/r/{story.id}?tab=replay")
    expect(tab.get_by_role("alert")).to_contain_text("could not load")

    own.stop()
    badge(page, "reconnecting")
    badge(tab, "reconnecting")
    page.unroute_all()
    tab.unroute_all()
    own.start()

    expect(page.get_by_role("heading", name="late")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(tab.get_by_label("Policy", exact=True)).to_be_visible()


def test_a_session_that_ended_leads_to_the_sign_in_page(page: Page) -> None:
    page.goto("/settings")  # reads no workers by itself
    badge(page, "live")
    end_session(page, at="workers")
    page.get_by_role("link", name="Workers").click()

    expect(page.get_by_label("Token", exact=True)).to_be_visible()
