"""The page of a project with several runs: found, compared and arranged, by mouse and by keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from keepbest.client.client import Client
from keepbest.contract.runs import RunPatch
from keepbest.contract.tags import TagChanges
from tests.support.story import Story

pytestmark = pytest.mark.browser
ROWS = "tbody tr:not([aria-hidden])"
PROJECT = "side by side"
PATH = "/p/side%20by%20side"


@pytest.fixture(scope="session")
def stories(client: Client, worker: str) -> list[str]:
    """Tell three runs with two learning rates; return their names, the oldest first."""
    names = ["first", "second", "third"]
    for rate, name in zip([0.001, 0.01, 0.01], names, strict=True):
        story = Story(client, worker, project=PROJECT, name=name, parameters={"learning_rate": rate})
        story.begin().advance(3)
        story.finish("user", "enough")
    return names


def test_curves_of_many_runs_lie_on_one_another(page: Page, stories: list[str]) -> None:
    page.goto(PATH)
    loss = page.get_by_role("region", name="Curves of loss")
    expect(loss.locator("canvas")).to_be_visible()
    expect(loss.get_by_role("img")).to_have_accessible_name(re.compile("of 3 runs"))

    loss.get_by_role("img").hover()
    expect(loss.get_by_role("listitem")).to_have_count(len(stories))
    page.get_by_role("button", name="Show curves of run 2").click()
    expect(loss.get_by_role("img")).to_have_accessible_name(re.compile("of 2 runs"))
    page.go_back()
    expect(loss.get_by_role("img")).to_have_accessible_name(re.compile("of 3 runs"))

    page.get_by_label("Menu of loss").click()
    with page.expect_download() as saved:
        loss.get_by_role("button", name="Save as CSV").click()
    assert "#1 first,loss,10," in saved.value.path().read_text()


def test_a_filter_completes_and_shows_its_mistake(page: Page, stories: list[str]) -> None:
    page.goto(PATH)
    expect(page.locator(ROWS)).to_have_count(len(stories))
    box = page.get_by_label("Filter runs")
    box.press_sequentially("learn")
    page.get_by_role("option", name="params.learning_rate").click()
    box.press_sequentially("> 0.005")
    expect(page.locator(ROWS)).to_have_count(2)
    expect(page.get_by_text("2 runs match")).to_be_visible()

    box.fill("learning_rat > 0.005")
    expect(page.get_by_role("alert")).to_contain_text("learning_rate")
    expect(page.locator(ROWS)).to_have_count(2)


def test_keys_pin_compare_and_select(page: Page, stories: list[str]) -> None:
    page.goto(f"{PATH}?table=1")
    rows = page.locator(ROWS)
    expect(rows).to_have_count(len(stories))
    expect(page.get_by_role("columnheader", name="learning_rate")).to_be_visible()
    for key in "jjjp":
        page.keyboard.press(key)
    expect(rows.first).to_contain_text("first")
    page.keyboard.press("b")
    expect(rows.first).to_contain_text("baseline")
    expect(rows.nth(1)).to_contain_text("= 0")

    page.keyboard.press("j")
    page.keyboard.press("J")
    selected = page.get_by_role("group", name="Selected runs")
    expect(selected).to_contain_text("2 of 3 selected")
    expect(selected.get_by_role("link", name="Compare")).to_have_attribute("href", re.compile("/compare"))
    page.keyboard.press("Escape")
    expect(selected).to_be_hidden()


def test_groups_open_their_runs(page: Page, stories: list[str]) -> None:
    page.goto(PATH)
    page.get_by_label("Group by").select_option("params.learning_rate")
    groups = page.get_by_role("region", name="Groups of runs")
    expect(groups.get_by_role("row")).to_have_count(3)
    groups.get_by_role("button", name="0.01").click()
    expect(page.locator(ROWS)).to_have_count(2)


def test_a_view_is_saved_and_opened_again(page: Page, stories: list[str]) -> None:
    page.goto(f"{PATH}?q=learning_rate%20%3E%200.005&table=1")
    expect(page.locator(ROWS)).to_have_count(2)
    page.get_by_text("Views", exact=True).click()
    page.get_by_label("Name of this view").fill("fast ones")
    page.get_by_role("button", name="Save", exact=True).click()
    page.goto(PATH)
    expect(page.locator(ROWS)).to_have_count(len(stories))
    page.get_by_text("Views", exact=True).click()
    page.get_by_role("button", name="fast ones", exact=True).click()
    expect(page.locator(ROWS)).to_have_count(2)


def test_selected_runs_are_tagged_together(page: Page, stories: list[str]) -> None:
    page.goto(f"{PATH}?table=1")
    page.get_by_label("Select run 1").click()
    page.get_by_label("Select run 3").click(modifiers=["Shift"])
    page.get_by_role("button", name="Tag…", exact=True).click()
    page.get_by_label("Tag", exact=True).fill("checked")
    page.get_by_role("dialog").get_by_role("button", name="Tag", exact=True).click()
    expect(page.get_by_text("Tagged 3 runs")).to_be_visible()
    expect(page.locator(ROWS).get_by_text("checked", exact=True)).to_have_count(len(stories))


def test_the_list_stays_where_it_is(page: Page, client: Client, worker: str) -> None:
    """Regression: switching an eye, or a run that trains, threw the list back to its top."""
    living = None
    for number in range(1, 61):
        story = Story(client, worker, project="long", name=f"run {number}").begin()
        if number == 30:
            living = story
        else:
            story.advance(1).finish("user", "enough")
    assert living is not None
    page.set_viewport_size({"width": 1360, "height": 600})
    page.goto("/p/long")
    table = page.get_by_role("region", name="Runs")
    expect(page.locator(ROWS).first).to_be_visible()  # an empty list does not scroll
    table.evaluate("table => table.scrollTo(0, 900)")
    eye = page.get_by_role("button", name="Show curves of run 30")
    eye.click()
    expect(eye).to_have_attribute("aria-pressed", "true")
    living.advance(1)
    expect(page.locator(ROWS).filter(has_text="run 30")).to_contain_text("@")
    assert table.evaluate("table => table.scrollTop") == 900
    living.finish("user", "enough")


def test_runs_that_do_not_exist_are_asked_for_once(page: Page, stories: list[str]) -> None:
    """Regression: an unknown run in the address made the page ask for its curves for ever."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.post_data or request.url))
    page.goto(f"{PATH}?on=zzzzzzzzzzzz&pins=yyyyyyyyyyyy,not-a-run")
    expect(page.get_by_role("img", name="of 3 runs").first).to_be_visible()
    page.wait_for_timeout(2000)
    of_unknown = [text for text in asked if "zzzzzzzzzzzz" in text]
    assert 0 < len(of_unknown) <= 4, of_unknown  # the address, the list, and curves before and after the list came


def test_a_row_is_edited_in_place(page: Page, client: Client, worker: str) -> None:
    run = Story(client, worker, project="in place", name="old name").begin().advance(1).run
    page.goto("/p/in%20place?table=1")
    row = page.locator(ROWS).first
    expect(row).to_contain_text("old name")
    page.keyboard.press("j")
    page.keyboard.press("r")
    field = page.get_by_label("Name of run 1")
    field.fill("not this")
    field.press("Escape")
    expect(row.get_by_role("link", name="old name")).to_be_visible()
    page.keyboard.press("F2")
    field.fill("new, name")
    field.press("Enter")
    expect(row.get_by_role("link", name="new, name")).to_be_visible()

    page.keyboard.press("#")
    page.get_by_label("Tags of run 1").fill("seen, twice, seen")
    page.get_by_label("Tags of run 1").press("Enter")
    expect(row.get_by_text("twice", exact=True)).to_be_visible()
    row.get_by_text("twice", exact=True).dblclick()
    page.get_by_label("Tags of run 1").fill("seen")
    page.get_by_label("Tags of run 1").blur()
    expect(row.get_by_text("twice", exact=True)).to_have_count(0)
    page.keyboard.press("n")
    page.get_by_label("Notes of run 1").fill("look again")
    page.get_by_label("Notes of run 1").press("Enter")
    expect(row.get_by_text("look again")).to_be_visible()
    saved = client.run(run.id)
    assert (saved.name, saved.tags, saved.notes) == ("new, name", ["seen"], "look again")


def test_tags_edited_in_a_row_keep_those_of_others(page: Page, client: Client, worker: str) -> None:
    run = Story(client, worker, project="tagged by two", name="shared", tags=["old"]).begin().advance(1).run
    page.goto("/p/tagged%20by%20two?table=1")
    row = page.locator(ROWS).first
    expect(row).to_contain_text("old")
    page.keyboard.press("j")
    page.keyboard.press("#")
    field = page.get_by_label("Tags of run 1")
    field.fill("old, mine")
    client.patch_run(run.id, RunPatch(name="renamed", tag_changes=TagChanges(add=["theirs"])))
    expect(page.get_by_role("button", name="Edit run 1")).to_have_count(0)
    expect(field).to_have_value("old, mine")
    field.press("Enter")
    for tag in ("theirs", "mine"):
        expect(row.get_by_text(tag, exact=True)).to_be_visible()
    assert client.run(run.id).tags == ["old", "theirs", "mine"]


def test_ranges_are_selected_and_taken_out(page: Page, stories: list[str]) -> None:
    page.goto(f"{PATH}?table=1")
    boxes = page.get_by_role("checkbox", name="Select run")
    expect(boxes).to_have_count(len(stories))
    boxes.first.click()
    boxes.last.click(modifiers=["Shift"])
    expect(page.get_by_role("checkbox", name="Select run", checked=True)).to_have_count(3)
    boxes.first.click(modifiers=["Shift"])
    expect(page.get_by_role("checkbox", name="Select run", checked=True)).to_have_count(0)

    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("X")
    expect(page.get_by_role("checkbox", name="Select run", checked=True)).to_have_count(3)
    page.keyboard.press("s")
    expect(page.get_by_role("columnheader", name="Run")).to_have_attribute("aria-sort", "ascending")
    page.keyboard.press("S")
    expect(page.get_by_role("columnheader", name="Run")).to_have_attribute("aria-sort", "descending")
