"""Read-only links: made on the page, opened in a clean browser profile, ended while somebody looks."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import Tracker
from tests.browser.test_accessible import assert_fits_a_telephone, faults
from tests.support.story import Story, register_worker

pytestmark = pytest.mark.browser

PROJECT = "/p/team%2Fdigits"
Open = Callable[..., BrowserContext]


@pytest.fixture
def own(start_tracker: Callable[[], Tracker]) -> Tracker:
    """A tracker with a run that trains and has a tag, and one without it that has ended."""
    tracker = start_tracker()
    worker = register_worker(tracker.client)
    Story(tracker.client, worker, name="shown", project="team/digits", tags=["paper"]).begin().advance(4)
    Story(tracker.client, worker, name="hidden", project="team/digits").begin().advance(2).finish()
    return tracker


def run_of(own: Tracker, name: str) -> str:
    return next(run.id for run in own.client.runs().runs if run.name == name)


def make_link(page: Page) -> str:
    """Make a link in the dialog that is open, by the keyboard; return its address."""
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Ends after").select_option("a day")
    dialog.get_by_label("Ends after").press("Tab")
    page.keyboard.press("Enter")
    code = dialog.locator("pre")
    expect(code).to_contain_text("/shared#kb_")
    assert faults(page) == []
    return str(re.findall(r"http\S+", code.inner_text())[0])


def test_a_run_is_shared_until_its_link_is_revoked(own: Tracker, open_context: Open) -> None:
    maker = open_context(at=own, reduced_motion="reduce").new_page()
    maker.goto(f"/r/{run_of(own, 'shown')}")
    maker.get_by_role("button", name="Share…").click()
    link = make_link(maker)

    guest = open_context(at=own, signed_in=False, reduced_motion="reduce").new_page()
    guest.goto(link)
    expect(guest.get_by_role("heading", name="shown")).to_be_visible()
    assert "kb_" not in guest.url
    expect(guest.get_by_role("banner").first).to_contain_text("Read-only link of admin, ends")
    for name in ("Stop…", "Share…", "Checkpoint now", "Replay"):
        expect(guest.get_by_role("button", name=name)).to_have_count(0)
    for tab in ("Decisions", "Checkpoints", "Panels", "Report", "Logs", "Config", "Curves"):
        guest.get_by_role("button", name=tab).first.click()
    expect(guest.get_by_role("alert")).to_have_count(0)
    guest.goto(f"{guest.url.partition('?')[0]}?tab=checkpoints")
    expect(guest.get_by_role("columnheader", name="Checkpoint")).to_be_visible()
    expect(guest.get_by_role("button", name="Look inside")).to_have_count(0)
    assert faults(guest) == []
    assert_fits_a_telephone(guest)

    guest.goto("/settings")
    expect(guest.get_by_text("This link shows run")).to_be_visible()
    expect(guest.get_by_role("heading", name="shown")).to_be_visible()
    guest.goto(f"/r/{run_of(own, 'hidden')}")
    expect(guest.get_by_role("heading", name="shown")).to_be_visible()

    maker.get_by_role("button", name="End the link").click()
    expect(guest.get_by_text("This read-only link has ended").first).to_be_visible()
    guest.goto(link)
    expect(guest.get_by_role("heading", name="This link opens nothing")).to_be_visible()
    expect(guest.get_by_text("Ask the person who sent it")).to_be_visible()
    assert faults(guest) == []


def test_a_view_is_shared_with_its_filter(own: Tracker, open_context: Open) -> None:
    maker = open_context(at=own, reduced_motion="reduce").new_page()
    maker.goto(f"{PROJECT}?q=tag%20%3D%20paper")
    expect(maker.get_by_role("link", name="shown").first).to_be_visible()
    maker.get_by_role("button", name="Share…").click()
    expect(maker.get_by_role("dialog")).to_contain_text("the runs of team/digits that fit tag = paper")
    link = make_link(maker)

    guest = open_context(at=own, signed_in=False, reduced_motion="reduce").new_page()
    guest.goto(link)
    expect(guest.get_by_role("link", name="shown").first).to_be_visible()
    guest.goto(PROJECT)
    expect(guest.get_by_role("link", name="shown").first).to_be_visible()
    expect(guest.get_by_text("hidden", exact=True)).to_have_count(0)
    expect(guest.get_by_role("navigation", name="Pages of the project")).to_have_count(0)
    assert faults(guest) == []
    guest.goto(f"/r/{run_of(own, 'hidden')}")
    expect(guest.get_by_text("This link does not show that run.")).to_be_visible()

    maker.goto("/settings")
    maker.get_by_role("region", name="Read-only links").get_by_role("button", name="End the link").click()
    expect(maker.get_by_text("Ended the link.")).to_be_visible()
    expect(guest.get_by_text("This read-only link has ended").first).to_be_visible()


def test_whoever_has_an_account_keeps_it(own: Tracker, open_context: Open) -> None:
    page = open_context(at=own, reduced_motion="reduce").new_page()
    page.goto(f"/r/{run_of(own, 'shown')}")
    page.get_by_role("button", name="Share…").click()
    page.goto(make_link(page))
    expect(page.get_by_role("heading", name="shown")).to_be_visible()
    expect(page.get_by_role("button", name="Share…")).to_be_visible()


def test_a_link_is_shown_though_the_list_cannot_be_read(own: Tracker, open_context: Open) -> None:
    page = open_context(at=own, reduced_motion="reduce").new_page()
    page.goto(f"/r/{run_of(own, 'shown')}")
    page.get_by_role("button", name="Share…").click()

    def refuse_lists(route: Route) -> None:
        route.fallback() if route.request.method == "POST" else route.abort()

    page.route("**/api/v1/shares", refuse_lists)
    page.get_by_role("button", name="Make the link").click()
    expect(page.get_by_text("The tracker does not answer.")).to_be_visible()
    expect(page.get_by_role("dialog").locator("pre")).to_contain_text("/shared#kb_")


def test_another_link_opens_where_one_has_failed(own: Tracker, open_context: Open) -> None:
    maker = open_context(at=own, reduced_motion="reduce").new_page()
    maker.goto(f"/r/{run_of(own, 'shown')}")
    maker.get_by_role("button", name="Share…").click()
    link = make_link(maker)

    guest = open_context(at=own, signed_in=False, reduced_motion="reduce").new_page()
    guest.goto("/shared")
    expect(guest.get_by_text("This link is not whole")).to_be_visible()
    guest.evaluate("hash => (location.hash = hash)", link.partition("#")[2])
    expect(guest.get_by_role("heading", name="shown")).to_be_visible()
