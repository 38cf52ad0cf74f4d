"""What changed between two recordings, on the page: best against last of a run, and run against run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from keepbest.checkpoint import Store
from keepbest.contract.shares import ShareRequest
from tests.browser.test_accessible import assert_fits_a_telephone, faults
from tests.support.classified import record_classes
from tests.support.story import Story

pytestmark = pytest.mark.browser
Tell = Callable[..., Story]
OpenContext = Callable[..., BrowserContext]


def train(tell: Tell, store: Store | None = None, *, is_old: bool = False, count: int = 9, **fields: str) -> Story:
    """A run whose best is at step 300 and whose last is at step 400."""
    story = tell(store=store, **fields).advance(3)
    record_classes(story, 300, {0: 1, 4: 2}, is_old=is_old, count=count)
    story.advance(1, value=lambda step: 0.5)
    record_classes(story, 400, {4: 2, 5: 1, 6: 1}, is_old=is_old, count=count)
    return story


def open_difference(page: Page, story: Story) -> Locator:
    page.goto(f"/r/{story.id}?tab=panels")
    page.get_by_role("button", name="Best against last").click()
    expect(page.get_by_text("1 newly right, 2 newly wrong, 1 wrong at both ends, of 12 examples.")).to_be_visible()
    return page.get_by_role("region", name="Changed examples")


def test_best_against_last_by_mouse(page: Page, tell: Tell, store: Store) -> None:
    changed = open_difference(page, train(tell, store, name="by mouse"))
    expect(changed.get_by_role("region", name="Newly wrong").get_by_role("listitem")).to_have_count(2)
    expect(changed.get_by_role("region", name="Newly right")).to_contain_text("true cat")
    expect(changed.get_by_role("region", name="Newly right").locator("canvas")).to_have_count(1)

    page.get_by_role("button", name="class cat taken for dog: 1 at first, 1 then: show them").click()
    expect(changed.get_by_role("heading", name="cat, taken for dog")).to_be_visible()
    expect(changed.get_by_role("region", name="Only then")).to_contain_text("#6")
    expect(changed.get_by_role("region", name="Only at first")).to_contain_text("#0")
    changed.get_by_role("button", name="Show what changed").click()
    expect(changed.get_by_role("region", name="Newly wrong")).to_be_visible()

    expect(page.get_by_text("one checkpoint is the nearest to both ends")).to_be_visible()


def test_best_against_last_by_keyboard(page: Page, tell: Tell) -> None:
    changed = open_difference(page, train(tell, name="by keys"))
    cell = page.get_by_role("button", name="class fox taken for dog: 0 at first, 1 then: show them")
    cell.focus()
    expect(cell).to_have_text("+1")
    page.keyboard.press("Enter")
    expect(cell).to_have_attribute("aria-pressed", "true")
    expect(changed.get_by_role("region", name="Only then")).to_contain_text("#5")
    page.keyboard.press("Enter")
    expect(cell).to_have_attribute("aria-pressed", "false")


def test_a_cell_of_one_matrix_shows_its_examples(page: Page, tell: Tell) -> None:
    story = train(tell, name="one matrix")
    page.goto(f"/r/{story.id}?tab=panels&panel=confusion")
    last = page.get_by_role("region", name="confusion at step 400")
    last.get_by_role("button", name="1 of class fox taken for dog: show them").press("Enter")
    expect(last.get_by_role("region", name="fox, taken for dog")).to_contain_text("#5")
    last.get_by_role("button", name="3 of class cat recognized: show them").click()
    expect(last.get_by_role("region", name="cat, recognized").get_by_role("listitem")).to_have_count(3)
    last.get_by_role("button", name="Close").click()
    expect(last.get_by_role("region", name="cat, recognized")).to_have_count(0)


def test_an_old_recording_says_what_it_does_not_know(page: Page, tell: Tell) -> None:
    story = train(tell, name="old", is_old=True, count=1)
    page.goto(f"/r/{story.id}?tab=panels&panel=confusion&at=300")
    page.get_by_role("button", name="1 of class cat taken for dog: show them").first.click()
    expect(page.get_by_text("1 are of class cat and taken for dog").first).to_be_visible()
    page.get_by_role("button", name="Show all").first.click()
    expect(page.get_by_text("The first of them").first).to_be_visible()
    page.goto(f"/r/{story.id}?tab=panels&panel=/difference")
    expect(page.get_by_text("Only the first 1 of 12 examples are known at both ends")).to_be_visible()
    expect(page.get_by_text("1 newly right, 0 newly wrong, 0 wrong at both ends, of the first 1 of 12")).to_be_visible()
    matrix = page.get_by_role("region", name="Difference of the confusion matrices")
    expect(matrix.get_by_role("button")).to_have_count(0)


def test_runs_stand_against_each_other_at_their_best(page: Page, tell: Tell, store: Store) -> None:
    first = train(tell, store, name="compared")
    second, third = tell(name="better", store=store).advance(2), tell(name="no matrix").advance(3)
    record_classes(second, 200, {4: 2})
    page.goto(f"/p/digits/compare?r={first.id},{second.id},{third.id}")
    section = page.get_by_role("region", name="What changed", exact=True)
    expect(section).to_contain_text("1 newly right, 0 newly wrong, 1 wrong at both ends, of 12 examples.")
    section.get_by_role("button", name="Compare the weights").press("Enter")
    weights = section.get_by_role("region", name="The weights' difference")
    expect(weights).to_contain_text("variables differ between the checkpoints nearest to both ends")
    expect(weights.get_by_role("row")).not_to_have_count(1)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/panels/diff" in request.url else None)
    page.get_by_role("list", name="Compared runs").get_by_role("link", name="no matrix").hover()
    section.get_by_label("The other run").select_option(third.id)
    expect(section).to_contain_text("One end has a confusion matrix")
    assert len(asked) == 1, "only another choice asks, not the pointer"


def test_a_read_only_link_compares_no_weights(open_context: OpenContext, tell: Tell, store: Store) -> None:
    first = train(tell, store, name="shared", project="shared differences")
    second = tell(name="shared too", project="shared differences", store=store).advance(2)
    record_classes(second, 200, {4: 2})
    link = first.client.make_share(ShareRequest(project="shared differences")).path
    guest = open_context(signed_in=False).new_page()
    guest.goto(str(link))
    expect(guest.get_by_role("link", name="shared too").first).to_be_visible()
    guest.goto(f"/p/shared%20differences/compare?r={first.id},{second.id}")
    section = guest.get_by_role("region", name="What changed", exact=True)
    expect(section).to_contain_text("of 12 examples.")
    expect(section.get_by_text("weights")).to_have_count(0)


def test_axe_finds_nothing_in_a_difference(open_context: OpenContext, tell: Tell) -> None:
    page = open_context(reduced_motion="reduce").new_page()
    open_difference(page, train(tell, name="plain to see"))
    assert faults(page) == []
    page.get_by_role("button", name="class cat taken for dog: 1 at first, 1 then: show them").click()
    assert faults(page) == []
    assert_fits_a_telephone(page)
