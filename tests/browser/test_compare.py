"""The Compare page: curves overlaid, what differs, values against a baseline, and what stopped each run."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from keepbest.client.client import Client
from keepbest.contract.runs import RunPatch
from tests.browser.test_accessible import assert_fits_a_telephone, faults
from tests.support.story import Story

pytestmark = pytest.mark.browser
OWN_COLOR, SAME_IN_CSS = "#12ab34", "rgb(18, 171, 52)"


@pytest.fixture(scope="session")
def runs(client: Client, worker: str) -> list[str]:
    """Two runs with other parameters; the second one is better."""
    told: list[str] = []
    for place, rate in enumerate((0.001, 0.01)):
        story = Story(client, worker, project="compared", parameters={"learning_rate": rate}, name=f"rate {rate}")
        story.begin().advance(4, value=lambda step, place=place: 0.5 + place / 10 + step / 10_000)
        story.finish()
        told.append(story.id)
    client.patch_run(told[0], RunPatch(color=OWN_COLOR))
    return told


def test_runs_stand_side_by_side(page: Page, runs: list[str]) -> None:
    page.goto(f"/p/compared/compare?r={','.join(runs)}")
    expect(page.get_by_role("heading", name="Compare 2 runs")).to_be_visible()
    expect(page.get_by_label("Curves of val_accuracy").get_by_role("listitem").first).to_contain_text("rate 0.01")

    facts = page.get_by_role("region", name="Parameters, environment and code").get_by_role("row")
    expect(facts.filter(has_text="learning_rate")).to_contain_text("0.001")
    expect(facts.filter(has_text="tensorflow")).to_have_count(0)
    page.keyboard.press("d")
    expect(facts.filter(has_text="tensorflow")).to_have_count(1)

    values = page.get_by_role("region", name="Metrics", exact=True).get_by_role("row").filter(has_text="val_accuracy ↑")
    expect(values).to_contain_text("▲ +0.1")
    page.get_by_role("listitem").filter(has_text="rate 0.01").get_by_label("baseline").check()
    expect(values).to_contain_text("▼")
    stops = page.get_by_role("region", name="What stopped them").get_by_role("row")
    expect(stops.filter(has_text="What ended it")).to_contain_text("patience ran out")
    expect(stops.filter(has_text="patience(checks=6")).to_contain_text("its own")
    assert faults(page) == []
    assert_fits_a_telephone(page)


def test_removed_run_leaves_every_part_of_the_page(page: Page, runs: list[str]) -> None:
    page.goto(f"/p/compared/compare?r={','.join(runs)}")
    legend = page.get_by_label("Curves of val_accuracy").get_by_role("listitem")
    expect(legend).to_have_count(2)
    stops = page.get_by_role("region", name="What stopped them")
    expect(stops.get_by_role("columnheader")).to_have_count(3)

    page.get_by_label("Take rate 0.01 out of the comparison").click()
    expect(page.get_by_role("heading", name="Compare 1 run", exact=True)).to_be_visible()
    expect(legend).to_have_count(1)
    expect(stops.get_by_role("columnheader")).to_have_count(2)
    expect(stops.get_by_role("row").filter(has_text="patience(checks=6")).to_contain_text("its own")


def test_run_keeps_the_color_that_a_person_chose(page: Page, runs: list[str]) -> None:
    page.goto(f"/p/compared/compare?r={','.join(runs)}")
    line = page.get_by_role("list", name="Compared runs").get_by_role("listitem").first.locator("line")
    expect(line).to_have_css("stroke", SAME_IN_CSS)
    page.goto(f"/r/{runs[0]}")
    expect(page.locator(".dot").first).to_have_css("background-color", SAME_IN_CSS)
