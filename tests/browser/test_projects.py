"""The settings of a project: its description, the archive, its end and its return."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from keepbest.contract.aliases import AliasRequest
from keepbest.contract.projects import ProjectPatch, ProjectRequest
from tests.browser.conftest import Tracker
from tests.browser.test_accessible import assert_fits_a_telephone, faults
from tests.support.story import Story, register_worker

pytestmark = pytest.mark.browser

NAME = "team/digits 2"
ADDRESS = "/p/team%2Fdigits%202/settings"


@pytest.fixture
def own(start_tracker: Callable[[], Tracker]) -> Tracker:
    """A tracker with a project in which one run has ended."""
    tracker = start_tracker()
    client = tracker.client
    Story(client, register_worker(client), name="ended", project=NAME).begin().advance(2).finish()
    client.add_project(ProjectRequest(name="other"))
    return tracker


@pytest.fixture
def page(own: Tracker, open_context: Callable[..., BrowserContext]) -> Page:
    """The settings of that project."""
    page = open_context(at=own, reduced_motion="reduce").new_page()
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
    page.get_by_role("link", name=NAME, exact=True).click()
    expect(page.get_by_text("This project was archived")).to_be_visible()
    page.get_by_role("link", name="Bring it back").click()
    expect(page).to_have_url(re.compile(f"{ADDRESS}$"))
    page.goto(ADDRESS)
    page.get_by_role("button", name="Bring it back into the lists").click()
    expect(page.get_by_role("button", name="Archive the project")).to_be_visible()


def test_an_alias_is_shown_with_what_it_names(page: Page, own: Tracker) -> None:
    section = page.get_by_role("region", name="Aliases")
    expect(section.get_by_text('keepbest alias set "team/digits 2" champion RUN@best')).to_be_visible()
    client = own.client
    run = client.runs(project=NAME).runs[0]
    best = next(checkpoint for checkpoint in client.checkpoints(run.id).checkpoints if checkpoint.is_best)
    client.set_alias(NAME, AliasRequest(name="champion", checkpoint=best.id))
    expect(section.get_by_text("champion", exact=True)).to_be_visible()
    assert faults(page) == []
    assert_fits_a_telephone(page)
    expect(section.get_by_role("link", name="ended")).to_have_attribute("href", f"/r/{run.id}")
    page.goto(f"/r/{run.id}?tab=checkpoints")
    expect(page.get_by_text("champion", exact=True)).to_be_visible()


def test_the_archive_that_comes_late_is_not_shown(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", name=NAME)).to_be_visible()
    late: list[Route] = []
    page.route(re.compile("archived=true"), lambda route: late.append(route))
    button = page.get_by_role("button", name="Archived")
    with page.expect_request(re.compile("archived=true")):
        button.click()
    expect(page.get_by_role("heading", name=NAME)).to_have_count(0)
    button.click()
    expect(page.get_by_role("heading", name=NAME)).to_be_visible()
    with page.expect_response(re.compile("archived=false")):  # asked behind the late one
        late[0].continue_()
    expect(page.get_by_role("heading", name=NAME)).to_be_visible()


def test_a_description_that_somebody_changed_is_shown_first(page: Page, own: Tracker) -> None:
    field = page.get_by_label("Description")
    expect(field).to_be_visible()
    own.client.patch_project(NAME, ProjectPatch(description="theirs"))
    field.fill("mine")
    save = page.get_by_role("button", name="Save the description")
    save.click()
    expect(page.get_by_role("alert")).to_contain_text("It is now: “theirs”")
    assert own.client.project(NAME).description == "theirs"
    save.click()
    expect(page.get_by_text("Saved the description.")).to_be_visible()
    assert own.client.project(NAME).description == "mine"


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
