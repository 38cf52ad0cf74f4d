"""The page at the root, and the pages of storage and team: what runs, what waits, what is on disk, who may sign in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from keepbest.contract.runs import RunRequest
from tests.browser.conftest import Tracker
from tests.browser.test_accessible import assert_fits_a_telephone, faults
from tests.support.story import Story, now, register_worker

pytestmark = pytest.mark.browser


@pytest.fixture
def own(start_tracker: Callable[[], Tracker]) -> Tracker:
    """A tracker with a run that trains, one that has been deleted, and two that wait."""
    tracker = start_tracker()
    client = tracker.client
    worker = register_worker(client)
    Story(client, worker, name="trains").begin().advance(3)
    thrown = Story(client, worker, name="thrown").begin().advance(1)
    thrown.finish()
    client.delete_run(thrown.id)
    for name in ("first", "second"):
        asked = {"project": "digits", "name": name, "source": {"kind": "recipe", "name": "hvass-cnn"}}
        client.submit(RunRequest.model_validate(asked))
    return tracker


def test_home_storage_and_team(own: Tracker, open_context: Callable[..., BrowserContext]) -> None:
    page = open_context(at=own, reduced_motion="reduce").new_page()
    page.goto("/")
    expect(page.get_by_role("region", name="Running now")).to_contain_text("trains")
    waiting = page.get_by_role("region", name="Queue").get_by_role("listitem")
    expect(waiting).to_contain_text(["first", "second"])
    waiting.filter(has_text="second").get_by_role("link").press("Alt+ArrowUp")
    expect(waiting).to_contain_text(["second", "first"])
    assert faults(page) == []
    assert_fits_a_telephone(page)

    page.goto("/storage")
    expect(page.get_by_role("region", name="Storage by project")).to_contain_text("digits")
    page.get_by_role("button", name="Bring thrown back").click()
    expect(page.get_by_text("No run has been deleted.")).to_be_visible()
    assert faults(page) == []
    assert_fits_a_telephone(page)

    page.goto("/team")
    page.get_by_label("Name").fill("grace")
    page.get_by_role("button", name="Add the user").click()
    expect(page.get_by_role("region", name="Users and roles")).to_contain_text("grace")
    expect(page.get_by_role("region", name="Audit log")).to_contain_text("made the user")
    assert faults(page) == []
    assert_fits_a_telephone(page)


@pytest.fixture
def served(start_tracker: Callable[[], Tracker]) -> Iterator[Tracker]:
    """A tracker of the test's own: what waits or has ended there belongs to no other test."""
    tracker = start_tracker()
    yield tracker
    tracker.stop()


@pytest.fixture
def home(served: Tracker, open_context: Callable[..., BrowserContext]) -> Page:
    return open_context(at=served, reduced_motion="reduce").new_page()


def _news(page: Page) -> Locator:
    return page.get_by_role("region", name="Ended since the last visit").get_by_role("article")


def _fail(story: Story) -> None:
    story.advance(1)
    story.fail(code="code_failed", message="It broke.")


def test_news_stays_until_somebody_marks_it_as_seen(served: Tracker, home: Page) -> None:
    worker = register_worker(served.client)
    _fail(Story(served.client, worker, project="news", name="broke").begin())
    Story(served.client, worker, project="news", name="ended later").begin().advance(1).finish()
    home.goto("/")
    expect(_news(home)).to_contain_text(["broke", "ended later"])
    home.reload()
    expect(_news(home)).to_have_count(2)
    _news(home).get_by_role("link", name="broke").click()
    expect(home.get_by_role("heading", name="broke", exact=True)).to_be_visible()
    home.go_back()
    expect(_news(home)).to_have_count(2)

    home.get_by_role("button", name="Mark as seen").click()
    expect(_news(home)).to_have_count(0)
    Story(served.client, worker, project="news", name="newest").begin().advance(1).finish()
    expect(_news(home)).to_contain_text(["newest"])


def test_project_card_names_the_best_run(served: Tracker, home: Page) -> None:
    worker = register_worker(served.client)
    for name, level in (("better", 0.8), ("newer", 0.2)):
        story = Story(served.client, worker, project="cards", name=name).begin()
        story.advance(2, value=lambda step, level=level: level + step / 10_000)
    home.goto("/")
    card = home.get_by_role("listitem").filter(has=home.get_by_role("heading", name="cards"))
    expect(card).to_contain_text("best val_accuracy 0.82 @ 200")
    card.get_by_role("link", name="better").click()
    expect(home.get_by_role("heading", name="better")).to_be_visible()


def test_refused_role_does_not_stay(served: Tracker, home: Page) -> None:
    home.goto("/team")
    home.get_by_label("Name").fill("ada")
    home.get_by_role("button", name="Add the user").click()
    role = home.get_by_label("Role of ada")
    refusal = {"error": {"code": "conflict", "message": "The tracker refuses this.", "hint": None}}
    home.route("**/api/v1/users/ada", lambda route: route.fulfill(status=409, json=refusal))
    role.select_option("viewer")
    expect(home.get_by_text("The tracker refuses this.")).to_be_visible()
    expect(role).to_have_value("member")


@pytest.mark.parametrize("hours", [-1, 1])
def test_ages_are_right_where_the_clocks_differ(served: Tracker, home: Page, hours: int) -> None:
    worker = register_worker(served.client)
    story = Story(served.client, worker, project="clocks", name="right on time").begin().advance(1)
    home.clock.install(time=now() + timedelta(hours=hours))
    home.goto(f"/r/{story.id}")
    expect(home.locator(".sub")).to_contain_text("s ago")
    story.finish()
    home.goto("/")
    expect(_news(home).filter(has_text="right on time")).to_contain_text("s ago")


def test_queue_moves_by_keys_and_by_dragging(served: Tracker, home: Page) -> None:
    register_worker(served.client)  # it announces the recipe, and claims nothing
    for name in ("one", "two", "three"):
        asked = {"project": "queued", "name": name, "source": {"kind": "recipe", "name": "hvass-cnn"}}
        served.client.submit(RunRequest.model_validate(asked))
    home.goto("/")
    waiting = home.get_by_role("region", name="Queue").get_by_role("listitem")
    expect(waiting).to_contain_text(["one", "two", "three"])
    link = waiting.get_by_role("link", name="three")
    link.press("Alt+ArrowUp")
    expect(waiting).to_contain_text(["one", "three", "two"])
    expect(link).to_be_focused()
    home.keyboard.press("Alt+ArrowUp")
    expect(waiting).to_contain_text(["three", "one", "two"])
    waiting.get_by_role("button", name="Move one up").click()
    expect(waiting).to_contain_text(["one", "three", "two"])
    expect(waiting.get_by_role("link", name="one")).to_be_focused()  # its button can go no further
    waiting.nth(0).drag_to(waiting.nth(2))
    expect(waiting).to_contain_text(["three", "two", "one"])
