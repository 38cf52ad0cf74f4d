"""Behaviours of the charts of many runs: drawn when seen, smoothed, one x axis, one crosshair, zoomed, thinned."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from keepbest.client.client import Client
from tests.browser.test_behaviours import PATH, ROWS, chart_of, drag, point_at
from tests.support.story import Story

pytestmark = pytest.mark.browser
MANY = 20_000
PEAK = 12_345
LONG = "/p/long%20curves"


@pytest.fixture(scope="session")
def long(client: Client, worker: str) -> Story:
    """Tell a run with twenty metrics and a long one, in which a single point stands out."""
    story = Story(client, worker, project="long curves", name="long").begin().advance(2)
    for number in range(20):
        story.report(f"m{number:02}", [10, 20], [1.0, 2.0])
    for first in range(0, MANY, 5000):
        steps = list(range(first, first + 5000))
        story.report("signal", steps, [9.0 if step == PEAK else step / MANY for step in steps])
    story.finish("user", "enough")
    return story


def test_only_charts_near_the_window_are_drawn(page: Page, long: Story) -> None:
    page.goto(LONG)
    panels = page.get_by_role("region", name="Curves of")
    expect(panels).to_have_count(23)
    expect(panels.first.locator("canvas")).to_be_visible()
    assert 0 < page.locator(".panel canvas").count() < 20
    last = panels.last
    expect(last.locator("canvas")).to_have_count(0)
    last.scroll_into_view_if_needed()
    expect(last.locator("canvas")).to_be_visible()


def test_the_list_does_not_wait_for_its_curves(page: Page, long: Story) -> None:
    page.route("**/api/v1/curves", lambda route: None)
    page.goto(LONG)
    expect(page.locator(ROWS)).to_contain_text("@")
    expect(page.locator("canvas")).to_have_count(0)


def test_the_tooltip_has_raw_and_smoothed_values(page: Page, four_runs: list[Story]) -> None:
    page.goto(f"{PATH}?smooth=0.6")
    chart = chart_of(page, "loss")
    point_at(page, chart)
    expect(chart.get_by_role("listitem").first).to_contain_text(re.compile(r"\d~\d"))
    page.get_by_label("Smoothing").fill("0")
    point_at(page, chart)
    expect(chart.get_by_role("listitem").first).not_to_contain_text("~")


def test_one_switch_changes_x_of_every_chart(page: Page, four_runs: list[Story]) -> None:
    page.goto(PATH)
    words = {"epoch": "epoch ", "relative": "after ", "metrics.accuracy": "accuracy 0."}
    for axis, begin in words.items():
        page.get_by_label("x axis").select_option(axis)
        for metric in ("loss", "accuracy"):
            chart = chart_of(page, metric)
            point_at(page, chart)
            expect(chart.locator(".tip p").first).to_contain_text(re.compile(f"^{begin}"))
    expect(page).to_have_url(re.compile("x=metrics.accuracy"))


def test_the_tooltip_ranks_and_is_copied(open_context: Callable[..., BrowserContext], four_runs: list[Story]) -> None:
    context = open_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(PATH)
    chart, other = chart_of(page, "loss"), chart_of(page, "accuracy")
    point_at(page, chart)
    items = chart.get_by_role("listitem")
    expect(items.first).to_be_visible()
    expect(chart.locator("li.nearest")).to_have_css("font-weight", "700")
    expect(other.locator(".u-cursor-x")).not_to_have_class(re.compile("u-off"))
    expect(other.get_by_role("listitem")).to_have_count(0)

    page.mouse.down()
    page.mouse.up()
    expect(chart.get_by_role("button", name="Copy")).to_be_visible()
    page.mouse.move(5, 5)
    chart.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied the values.")).to_be_visible()
    copied = [line.split("\t") for line in page.evaluate("navigator.clipboard.readText()").splitlines()]
    assert copied[0] == ["run", "metric", "step", "value"]
    by_metric = [[float(value) for _, key, _, value in copied[1:] if key == metric] for metric in ("loss", "val_loss")]
    assert all(values == sorted(values) for values in by_metric)
    page.keyboard.press("Escape")
    expect(items).to_have_count(0)


def test_charts_zoom_together_or_alone(page: Page, four_runs: list[Story]) -> None:
    page.goto(PATH)
    chart_of(page, "loss")
    drag(page, 0.3, 0.7)
    expect(page).to_have_url(re.compile(r"[?&]zoom="))
    expect(page.get_by_role("button", name="Show all of x")).to_be_visible()
    chart_of(page, "accuracy").locator(".u-over").dblclick()
    expect(page).not_to_have_url(re.compile("zoom"))

    page.get_by_label("Zoom together").uncheck()
    drag(page, 0.3, 0.7, end_below=True)  # another drag must not zoom this chart again
    expect(page).to_have_url(re.compile(r"zooms=loss"))
    drag(page, 0.4, 0.6, metric="accuracy")
    expect(page).to_have_url(re.compile(r"zooms=.*accuracy"))
    page.go_back()
    expect(page).not_to_have_url(re.compile("accuracy"))
    page.go_back()
    expect(page).not_to_have_url(re.compile("zooms"))


def test_the_wheel_scrolls_the_page(page: Page, long: Story) -> None:
    page.goto(LONG)
    charts = page.get_by_role("region", name="Curves", exact=True)
    page.get_by_role("region", name="Curves of").first.get_by_role("img").hover()
    page.mouse.wheel(0, 300)
    page.wait_for_function("charts => charts.scrollTop > 100", arg=charts.element_handle())
    expect(page).not_to_have_url(re.compile("zoom"))


def test_thinned_curves_say_so_and_keep_every_peak(page: Page, long: Story) -> None:
    def is_of_signal(post: str | None) -> bool:
        return post is not None and '"signal"' in post

    with page.expect_response(lambda answer: is_of_signal(answer.request.post_data)) as thinned:
        page.goto(f"{LONG}?find=signal")
    [curve] = [curve for curve in thinned.value.json()["curves"] if curve["key"] == "signal"]
    assert len(curve["steps"]) <= 1000
    assert max(curve["values"]) == 9.0
    chart = chart_of(page, "signal")
    expect(chart.get_by_text(re.compile(r"^[\d,]+ of 20,000 points"))).to_be_visible()

    with page.expect_response(lambda answer: '"from":12300' in (answer.request.post_data or "")) as detailed:
        page.goto(f"{LONG}?find=signal&zoom=12300,12400")
    assert detailed.value.ok
    expect(chart.get_by_text(re.compile("points$"))).to_have_count(0)

    page.get_by_label("Menu of signal").click()
    with page.expect_download() as saved:
        chart.get_by_role("button", name="Save as CSV").click()
    lines = saved.value.path().read_text().splitlines()
    assert len(lines) == MANY + 1
    assert lines[2].endswith(",signal,1,0.00005")
