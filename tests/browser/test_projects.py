"""The settings of a project: its description, the archive, its end and its return."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from keepbest.contract.aliases import AliasRequest
from keepbest.contract.projects import ProjectRequest
from tests.browser.conftest import Tracker
from tests.browser.test_accessible import assert_fits_a_telephone, faults
from tests.support.story import Story, register_worker

pytestmark = pytest.mark.browser

NAME = "team/digits 2"
ADDRESS = "/p/team%2Fdigits%202/settings"


@pytest.fixture
def tracker(start_tracker: Callable[[], Tracker]) -> Tracker:
    return start_tracker()


@pytest.fixture
def page(tracker: Tracker, open_context: Callable[..., BrowserContext]) -> Page:
    """The settings of a project with one run that has ended."""
    client = tracker.client
    Story(client, register_worker(client), name="ended", project=NAME).begin().advance(2).finish()
    client.add_project(ProjectRequest(name="other"))
    page = open_context(at=tracker, reduced_motion="reduce").new_page()
    page.goto(ADDRESS)
    return page


def test_a_project_is_described_archived_and_brought_back(page: Page) -> None:
    page.get_by_label("Description").fill("Handwriting")
    page.get_by_label("Description").press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved the description.")).to_be_visible()
    assert faults(page) == []
    assert_fits_a_telephone(page)

    page.get_by_role("button", name="Archive the project").click()
    expect(page.get_by_role("button", name="Bring it back into the lists")).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("link", name="other", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name=NAME, exact=True)).to_have_count(0)
    page.get_by_role("button", name="Archived").click()
    expect(page.get_by_text("Handwriting")).to_be_visible()
    page.goto(ADDRESS)
    page.get_by_role("button", name="Bring it back into the lists").click()
    expect(page.get_by_role("button", name="Archive the project")).to_be_visible()


def test_an_alias_is_shown_with_what_it_names(page: Page, tracker: Tracker) -> None:
    section = page.get_by_role("region", name="Aliases")
    expect(section.get_by_text('keepbest alias set "team/digits 2" champion RUN@best')).to_be_visible()
    client = tracker.client
    run = client.runs(project=NAME).runs[0]
    best = next(checkpoint for checkpoint in client.checkpoints(run.id).checkpoints if checkpoint.is_best)
    client.set_alias(NAME, AliasRequest(name="champion", checkpoint=best.id))
    expect(section.get_by_text("champion", exact=True)).to_be_visible()
    assert faults(page) == []
    assert_fits_a_telephone(page)
    expect(section.get_by_role("link", name="ended")).to_have_attribute("href", f"/r/{run.id}")
    page.goto(f"/r/{run.id}?tab=checkpoints")
    expect(page.get_by_text("champion", exact=True)).to_be_visible()


def test_a_typed_name_deletes_a_project_and_undo_restores_it(page: Page) -> None:
    page.get_by_role("button", name="Delete the project…").click()
    delete = page.get_by_role("button", name="Delete the project", exact=True)
    expect(delete).to_be_disabled()
    page.get_by_label("Type the project's name").fill(NAME)
    assert faults(page) == []
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="other", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name=NAME, exact=True)).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", name=NAME)).to_be_visible()
    expect(page.get_by_text("ended").first).to_be_visible()
