"""The page at the root, and the pages of storage and team: what runs, what waits, what is on disk, who may sign in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from keepbest.contract.runs import RunRequest
from tests.browser.conftest import Tracker
from tests.browser.test_accessible import assert_fits_a_telephone, faults
from tests.support.story import Story, register_worker

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
    expect(waiting.first).to_contain_text("priority 1")
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
