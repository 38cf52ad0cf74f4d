"""The 20 behaviours of the dashboard, each with the tests that show it.

`SHOWN_BY` maps a behaviour to tests: those of this file by their names, others as `file::name`. A name with spaces is
the title of a test of the page's own modules. A test checks that each of them exists.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from keepbest.client.client import Client
from tests.support.processes import ROOT, wait_until
from tests.support.story import Story

BROWSER = "tests/browser"
CHARTS = f"{BROWSER}/test_behaviours_of_charts.py"
LIB = "webui/src/lib"
ROWS = "tbody tr:not([aria-hidden])"
PROJECT = "twenty behaviours"
PATH = "/p/twenty%20behaviours"

SHOWN_BY: dict[int, list[str]] = {
    # Everything seen is in the address.
    1: [
        "test_an_address_is_the_same_view_for_everybody",
        "test_back_undoes_typing_as_one_step",
        "test_back_undoes_a_drag_as_one_step",
        f"{BROWSER}/test_runs.py::test_what_is_seen_is_in_the_address",
    ],
    # The table first, charts when they are seen.
    2: [
        f"{CHARTS}::test_only_charts_near_the_window_are_drawn",
        f"{CHARTS}::test_the_list_does_not_wait_for_its_curves",
    ],
    # Best, steps saved and patience lead the table.
    3: [
        f"{BROWSER}/test_run_behaviours.py::test_table_leads_with_best_patience_and_saved",
    ],
    # Ten thousand runs.
    4: [
        "test_counts_say_what_is_not_shown",
        f"{BROWSER}/test_runs.py::test_ten_thousand_runs_are_few_rows",
        f"{BROWSER}/test_workspace.py::test_the_list_stays_where_it_is",
    ],
    # A run's colour.
    5: [
        "test_a_run_has_one_colour_on_every_page",
        f"{LIB}/ui/color.test.ts::gives 48 runs 48 different colours and dashes",
    ],
    # Smoothing.
    6: [
        f"{CHARTS}::test_the_tooltip_has_raw_and_smoothed_values",
        f"{LIB}/curves/smooth.test.ts::never smooths across a value that is not finite",
        f"{LIB}/workspace/panels.test.ts::draws raw values faintly behind smoothed ones",
        f"{LIB}/workspace/panels.test.ts::has a line for each run, with its best and its stop",
    ],
    # The x axis.
    7: [
        f"{CHARTS}::test_one_switch_changes_x_of_every_chart",
        f"{LIB}/workspace/tooltip.test.ts::keeps its step and value where x turns round",
    ],
    # The crosshair and its tooltip.
    8: [f"{CHARTS}::test_the_tooltip_ranks_and_is_copied"],
    # Zoom and pan.
    9: [
        f"{CHARTS}::test_charts_zoom_together_or_alone",
        f"{CHARTS}::test_the_wheel_scrolls_the_page",
        "test_back_undoes_a_drag_as_one_step",
    ],
    # Thinning.
    10: [
        f"{CHARTS}::test_thinned_curves_say_so_and_keep_every_peak",
        f"{LIB}/curves/wholeCurves.test.ts::reads a curve too long for one answer in parts, none thinned",
    ],
    # Early stopping on the chart.
    11: [
        f"{BROWSER}/test_run.py::test_an_early_stop_has_its_reason_in_words",
        f"{BROWSER}/test_resume.py::test_overrides_of_a_roll_back_are_checked_sent_and_shown",
        f"{BROWSER}/test_resume.py::test_a_kept_point_on_the_curve_is_a_way_back",
    ],
    # The baseline and pins.
    12: [
        "test_pins_keep_their_place_and_show_differences",
        f"{BROWSER}/test_workspace.py::test_keys_pin_compare_and_select",
    ],
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
    18: [
        "test_keys_lead_through_the_list",
        f"{BROWSER}/test_runs.py::test_the_keyboard_filters_walks_and_opens",
        f"{BROWSER}/test_workspace.py::test_ranges_are_selected_and_taken_out",
        f"{BROWSER}/test_workspace.py::test_a_row_is_edited_in_place",
    ],
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


def seen(page: Page) -> dict[str, object]:
    """What somebody sees of the list and of the settings of the charts."""
    return {
        "filter": page.get_by_label("Filter runs").input_value(),
        "names": page.locator(f"{ROWS} .name a").all_inner_texts(),
        "sorted": page.locator("th[aria-sort]").all_inner_texts(),
        "picked": page.get_by_role("checkbox", name="Select run", checked=True).count(),
        "eyes": page.locator(".eye[aria-pressed=true]").count(),
        "pinned": page.get_by_role("button", name="Pin run", pressed=True).count(),
        "baseline": page.get_by_role("button", name="Compare others with run", pressed=True).count(),
        "axis": page.get_by_label("x axis").input_value(),
        "smoothing": page.get_by_label("Smoothing").input_value(),
        "log": page.get_by_label("Log y").is_checked(),
        "zoomed": page.get_by_role("button", name="Show all of x").count(),
    }


@pytest.mark.browser
def test_an_address_is_the_same_view_for_everybody(
    page: Page, open_context: Callable[..., BrowserContext], four_runs: list[Story]
) -> None:
    page.goto(PATH)
    expect(page.locator(ROWS)).to_have_count(len(four_runs))
    page.get_by_label("Filter runs").fill("learning_rate > 0.005")
    expect(page.locator(ROWS)).to_have_count(3)
    page.get_by_label("Filter runs").press("Enter")
    page.get_by_role("button", name="Best @ step").click()
    page.get_by_label("Filter runs").blur()
    for key in "jpjbjvx":
        page.keyboard.press(key)
    page.get_by_label("Smoothing").fill("0.4")
    page.get_by_label("Log y").check()
    drag(page, 0.3, 0.7)
    expect(page.get_by_role("button", name="Show all of x")).to_be_visible()
    mine = seen(page)

    guest = open_context().new_page()
    guest.goto(page.url)
    expect(guest.locator(ROWS)).to_have_count(3)
    expect(guest.get_by_role("group", name="Selected runs")).to_contain_text("1 of 3 selected")
    assert seen(guest) == mine
    assert [mine["picked"], mine["eyes"], mine["pinned"], mine["baseline"], mine["zoomed"]] == [1, 2, 1, 1, 1]


@pytest.mark.browser
def test_counts_say_what_is_not_shown(page: Page, client: Client, worker: str) -> None:
    for number in range(60):
        Story(client, worker, project="sixty", name=f"run {number}")
    page.goto("/p/sixty?first=60")
    table = page.get_by_role("region", name="Runs")
    expect(page.get_by_text("60 runs", exact=False).last).to_be_visible()
    table.evaluate("table => table.scrollTo(0, table.scrollHeight)")
    expect(page.get_by_text("50 of 60 with curves")).to_be_visible()
    page.keyboard.press("j")
    for _ in range(24):
        page.keyboard.press("J")
    selected = page.get_by_role("group", name="Selected runs")
    expect(selected).to_contain_text("25 of 60 selected")
    expect(selected.get_by_role("link", name="Compare the first 20")).to_be_visible()


@pytest.mark.browser
def test_a_run_has_one_colour_on_every_page(
    page: Page, open_context: Callable[..., BrowserContext], four_runs: list[Story]
) -> None:
    ids = [story.id for story in four_runs]
    compare = f"{PATH}/compare?r={','.join(ids[:2])}"

    def colours(of: Page) -> tuple[str, str]:
        of.goto(PATH)
        line = of.locator(ROWS).filter(has_text="first").locator(".dot line")
        in_list = line.evaluate("line => getComputedStyle(line).stroke")
        of.goto(compare)
        label = of.locator(".run", has_text="first").first.locator("line")
        return in_list, label.evaluate("line => getComputedStyle(line).stroke")

    before = colours(page)
    assert before[0] == before[1]
    page.goto(PATH)
    page.get_by_role("button", name="Edit run 1").click()
    page.get_by_label("Colour", exact=True).fill("#c0ffee")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert colours(open_context().new_page()) == ("rgb(192, 255, 238)",) * 2


@pytest.mark.browser
def test_pins_keep_their_place_and_show_differences(page: Page, four_runs: list[Story]) -> None:
    page.goto(f"{PATH}?table=1")
    rows = page.locator(ROWS)
    expect(rows).to_have_count(len(four_runs))
    page.get_by_role("button", name="Pin run 2").click()
    page.get_by_role("button", name="Compare others with run 3").click()
    for _ in range(2):
        page.get_by_role("button", name="Run", exact=True).click()
        expect(rows.nth(0)).to_contain_text("third")
        expect(rows.nth(1)).to_contain_text("second")
    expect(rows.nth(1).get_by_title("difference to the baseline").first).to_have_text("= 0")

    page.get_by_role("button", name="Charts", exact=True).click()
    chart = chart_of(page, "loss")
    point_at(page, chart)
    expect(chart.get_by_role("listitem").filter(has_text="second")).to_contain_text("= 0")


@pytest.mark.browser
def test_keys_lead_through_the_list(page: Page, four_runs: list[Story]) -> None:
    page.goto(f"{PATH}?table=1")
    table = page.get_by_role("table")
    expect(table).to_have_attribute("aria-rowcount", str(len(four_runs) + 1))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("pin the run")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    box = page.get_by_label("Filter runs")
    expect(box).to_be_focused()
    assert box.evaluate("box => getComputedStyle(box).outlineStyle") != "none"
    box.blur()
    for key in "jxjxkp":
        page.keyboard.press(key)
    chosen = page.locator("tr.chosen")
    expect(chosen).to_have_attribute("aria-rowindex", "2")
    expect(chosen.get_by_role("button", name="Pin run")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("b")
    expect(chosen).to_contain_text("baseline")
    page.keyboard.press("c")
    expect(page.get_by_role("heading", name="Compare 2 runs")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("region", name="Runs")).to_be_visible()


@pytest.mark.browser
def test_back_undoes_typing_as_one_step(page: Page, four_runs: list[Story]) -> None:
    page.goto(PATH)
    rows = page.locator(ROWS)
    expect(rows).to_have_count(len(four_runs))
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
    expect(rows).to_have_count(len(four_runs))
    expect(box).to_have_value("")
    expect(page.get_by_text("3 with curves")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("4 with curves")).to_be_visible()


@pytest.mark.browser
def test_a_filter_not_yet_sent_stays_on_its_page(page: Page, four_runs: list[Story]) -> None:
    page.goto(PATH)
    expect(page.locator(ROWS)).to_have_count(len(four_runs))
    page.get_by_label("Filter runs").press_sequentially("third")
    page.get_by_role("link", name="Sweeps", exact=True).evaluate("link => link.click()")
    expect(page.get_by_role("heading", name="Sweeps")).to_be_visible()
    page.wait_for_timeout(400)  # longer than the box waits for the next letter
    expect(page).to_have_url(re.compile("/sweeps$"))


@pytest.mark.browser
def test_back_undoes_a_drag_as_one_step(page: Page, four_runs: list[Story]) -> None:
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


def chart_of(page: Page, metric: str) -> Locator:
    chart = page.get_by_role("region", name=f"Curves of {metric}", exact=True)
    expect(chart.locator("canvas")).to_be_visible()
    return chart


def point_at(page: Page, chart: Locator) -> None:
    """Hold the pointer over the middle of a chart until it shows its values."""
    expect(chart.locator(".wait")).to_have_count(0)
    box = chart.get_by_role("img").bounding_box()
    assert box is not None

    def move_about() -> int:
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
        page.mouse.move(box["x"] + box["width"] / 2 + 2, box["y"] + 52)
        page.wait_for_timeout(50)
        return chart.get_by_role("listitem").count()

    wait_until(move_about, what="the values at the pointer")


def drag(page: Page, start: float, end: float, *, metric: str = "loss", end_below: bool = False) -> None:
    """Drag over a chart, from one part of its width to another; it may end below the chart."""
    chart = chart_of(page, metric)
    point_at(page, chart)
    box = chart.get_by_role("img").bounding_box()
    assert box is not None
    y, [first, last] = box["y"] + 40, [box["x"] + part * box["width"] for part in (start, end)]
    page.mouse.move(first, y)
    page.mouse.down()
    page.mouse.move((first + last) / 2, y, steps=4)
    page.mouse.move(last, y, steps=4)
    if end_below:
        page.mouse.move(last, box["y"] + box["height"] + 40)
    page.mouse.up()
