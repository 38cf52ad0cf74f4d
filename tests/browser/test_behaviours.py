"""The 20 behaviours of the dashboard, each with the tests that show it.

`SHOWN_BY` maps a behaviour to tests: those of this file by their names, others as `file::name`. A name with spaces is
the title of a test of the page's own modules. A test checks that each of them exists.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from keepbest.client.client import Client
from tests.support.processes import ROOT
from tests.support.story import Story

BROWSER = "tests/browser"
LIB = "webui/src/lib"
ROWS = "tbody tr:not([aria-hidden])"
PROJECT = "twenty behaviours"
PATH = "/p/twenty%20behaviours"

SHOWN_BY: dict[int, list[str]] = {
    # Everything seen is in the address.
    1: [
        "test_back_undoes_typing_as_one_step",
        "test_back_undoes_a_drag_as_one_step",
        f"{BROWSER}/test_runs.py::test_what_is_seen_is_in_the_address",
    ],
    # The table first, charts when they are seen.
    2: [],
    # Best, steps saved and patience lead the table.
    3: [
        f"{BROWSER}/test_run_behaviours.py::test_table_leads_with_best_patience_and_saved",
    ],
    # Ten thousand runs.
    4: [
        f"{BROWSER}/test_runs.py::test_ten_thousand_runs_are_few_rows",
        f"{BROWSER}/test_workspace.py::test_the_list_stays_where_it_is",
    ],
    # A run's colour.
    5: [],
    # Smoothing.
    6: [f"{LIB}/workspace/tooltip.test.ts::has the smoothed value beside the raw one"],
    # The x axis.
    7: [f"{LIB}/workspace/tooltip.test.ts::keeps its step and value where x turns round"],
    # The crosshair and its tooltip.
    8: [],
    # Zoom and pan.
    9: ["test_back_undoes_a_drag_as_one_step"],
    # Thinning.
    10: [f"{LIB}/curves/wholeCurves.test.ts::reads a curve too long for one answer in parts, none thinned"],
    # Early stopping on the chart.
    11: [
        f"{BROWSER}/test_run.py::test_an_early_stop_has_its_reason_in_words",
        f"{BROWSER}/test_resume.py::test_overrides_of_a_roll_back_are_checked_sent_and_shown",
        f"{BROWSER}/test_resume.py::test_a_kept_point_on_the_curve_is_a_way_back",
    ],
    # The baseline and pins.
    12: [f"{BROWSER}/test_workspace.py::test_keys_pin_compare_and_select"],
    # Runs side by side.
    13: [
        f"{BROWSER}/test_compare.py::test_runs_stand_side_by_side",
        f"{BROWSER}/test_compare.py::test_removed_run_leaves_every_part_of_the_page",
        f"{BROWSER}/test_differences.py::test_runs_stand_against_each_other_at_their_best",
    ],
    # Acts that are dangerous.
    14: [
        f"{BROWSER}/test_run.py::test_stop_explains_itself_and_shows_its_progress",
        f"{BROWSER}/test_run.py::test_a_command_that_nobody_answers_is_seen_to_wait",
        f"{BROWSER}/test_run.py::test_a_refused_command_says_why",
        f"{BROWSER}/test_resume.py::test_roll_back_leaves_an_abandoned_branch",
        f"{BROWSER}/test_run.py::test_a_run_is_deleted_only_after_a_question",
    ],
    # Restoring a checkpoint.
    15: [
        f"{BROWSER}/test_run.py::test_a_checkpoint_can_be_restored_by_copying",
    ],
    # Empty pages.
    16: [
        f"{BROWSER}/test_runs.py::test_empty_pages_teach_the_next_command",
        f"{BROWSER}/test_run_behaviours.py::test_empty_page_turns_live_with_the_first_point",
    ],
    # Honest about what is live.
    17: [
        f"{BROWSER}/test_live.py::test_it_says_that_the_tracker_is_away_and_comes_back",
        f"{BROWSER}/test_live.py::test_a_refused_stream_is_polled_instead",
        f"{BROWSER}/test_run_behaviours.py::test_silent_worker_differs_from_a_tracker_that_is_away",
        f"{BROWSER}/test_home.py::test_ages_are_right_where_the_clocks_differ",
    ],
    # The keyboard.
    18: [f"{BROWSER}/test_runs.py::test_the_keyboard_filters_walks_and_opens"],
    # Accessible, in light and in dark.
    19: [
        f"{BROWSER}/test_accessible.py::test_the_run_page",
        f"{BROWSER}/test_accessible.py::test_the_other_pages",
        f"{BROWSER}/test_run_behaviours.py::test_chart_is_saved_as_a_picture_and_as_numbers",
        f"{BROWSER}/test_run_behaviours.py::test_nothing_moves_where_a_person_wants_no_motion",
        f"{BROWSER}/test_run_behaviours.py::test_page_at_twice_its_size_has_no_sideways_scroll",
    ],
    # The latest run.
    20: [
        f"{BROWSER}/test_run_behaviours.py::test_address_of_the_latest_run_follows_a_new_one",
        f"{BROWSER}/test_run.py::test_a_failed_run_shows_its_error_first",
        f"{BROWSER}/test_run.py::test_config_shows_what_was_asked",
    ],
}


@pytest.mark.parametrize(("behaviour", "shown_by"), SHOWN_BY.items())
def test_each_behaviour_names_tests_that_exist(behaviour: int, shown_by: list[str]) -> None:
    for name in shown_by:
        file, _, title = name.rpartition("::")
        text = (ROOT / (file or f"{BROWSER}/test_behaviours.py")).read_text(encoding="utf-8")
        written = f"'{title}'" if " " in title else f"def {title}("
        assert written in text, f"behaviour {behaviour} is to be shown by {name}, which is not there"


@pytest.fixture(scope="module")
def stories(client: Client, worker: str) -> list[Story]:
    """Tell four runs with two learning rates, the oldest first."""
    told = []
    for rate, name in zip([0.001, 0.01, 0.01, 0.1], ["first", "second", "third", "fourth"], strict=True):
        story = Story(client, worker, project=PROJECT, name=name, parameters={"learning_rate": rate})
        told.append(story.begin().advance(4))
        story.finish("user", "enough")
    return told


@pytest.mark.browser
def test_back_undoes_typing_as_one_step(page: Page, stories: list[Story]) -> None:
    page.goto(PATH)
    rows = page.locator(ROWS)
    expect(rows).to_have_count(len(stories))
    page.get_by_role("button", name="Show curves of run 1").click()
    expect(page.get_by_text("3 with curves")).to_be_visible()
    box = page.get_by_label("Filter runs")
    for words in ("learning_rate", "learning_rate > 0.05", "learning_rate > 0.005"):
        box.fill(words)
        expect(page).to_have_url(re.compile(re.escape(words.split()[-1])))
    expect(rows).to_have_count(3)
    box.press("Enter")
    box.fill("learning_rate > 0.05")
    expect(rows).to_have_count(1)

    page.go_back()
    expect(rows).to_have_count(3)
    expect(box).to_have_value("learning_rate > 0.005")
    page.go_back()
    expect(rows).to_have_count(len(stories))
    expect(box).to_have_value("")
    expect(page.get_by_text("3 with curves")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("4 with curves")).to_be_visible()


@pytest.mark.browser
def test_a_filter_not_yet_sent_stays_on_its_page(page: Page, stories: list[Story]) -> None:
    page.goto(PATH)
    expect(page.locator(ROWS)).to_have_count(len(stories))
    page.get_by_label("Filter runs").press_sequentially("third")
    page.get_by_role("link", name="Sweeps", exact=True).evaluate("link => link.click()")
    expect(page.get_by_role("heading", name="Sweeps")).to_be_visible()
    page.wait_for_timeout(400)  # longer than the box waits for the next letter
    expect(page).to_have_url(re.compile("/sweeps$"))


@pytest.mark.browser
def test_back_undoes_a_drag_as_one_step(page: Page, stories: list[Story]) -> None:
    page.goto(PATH)
    drag(page, 0.3, 0.7)
    expect(page).to_have_url(re.compile("zoom="))
    zoomed = page.url

    page.keyboard.down("Shift")
    drag(page, 0.5, 0.4)
    page.keyboard.up("Shift")
    expect(page).not_to_have_url(zoomed)
    page.go_back()
    expect(page).to_have_url(zoomed)
    page.go_back()
    expect(page).not_to_have_url(re.compile("zoom="))


def drag(page: Page, start: float, end: float) -> None:
    """Drag over the chart of the loss, from one part of its width to another."""
    chart = page.get_by_role("region", name="Curves of loss")
    expect(chart.locator("canvas")).to_be_visible()
    box = chart.get_by_role("img").bounding_box()
    assert box is not None
    y, [first, last] = box["y"] + 40, [box["x"] + part * box["width"] for part in (start, end)]
    page.mouse.move(first, y)
    page.mouse.down()
    page.mouse.move((first + last) / 2, y, steps=4)
    page.mouse.move(last, y, steps=4)
    page.mouse.up()
