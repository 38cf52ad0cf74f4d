"""Notes of a run: what two people write at the same time is seen by both before anything is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from keepbest.client.client import Client
from keepbest.contract.runs import RunPatch
from tests.support.story import Story

pytestmark = pytest.mark.browser
Tell = Callable[..., Story]


def test_notes_of_two_people_are_both_seen(page: Page, tell: Tell, client: Client) -> None:
    story = tell(name="noted by two")
    page.goto(f"/r/{story.id}?tab=config")
    field = page.get_by_label("Notes")
    field.fill("mine")
    client.patch_run(story.id, RunPatch(notes="theirs"))
    expect(page.locator("body")).to_contain_text("noted by two")
    field.blur()
    expect(page.get_by_text("Saved the notes.")).to_be_visible()
    assert client.run(story.id).notes == "theirs\nmine"  # what was only added joins

    field.fill("theirs and mine")
    with page.expect_response("**/api/v1/runs/*"):  # the page hears of it
        client.patch_run(story.id, RunPatch(notes="theirs again"))
    field.blur()
    expect(page.get_by_role("alert")).to_contain_text("theirs again")
    assert client.run(story.id).notes == "theirs again"
    page.get_by_role("button", name="Replace them by mine").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert client.run(story.id).notes == "theirs and mine"
