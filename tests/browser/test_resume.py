"""Roll back, resume and fork from the run's page."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, Position, Route, expect

from keepbest.checkpoint import Store
from keepbest.client.client import Client
from keepbest.contract.base import new_id
from tests.support.processes import wait_until
from tests.support.story import Story

pytestmark = pytest.mark.browser
Tell = Callable[..., Story]


def test_roll_back_leaves_an_abandoned_branch(page: Page, tell: Tell) -> None:
    story = tell(name="to be rolled back").advance(5).advance(2, value=lambda step: 0.4)
    page.goto(f"/r/{story.id}")
    page.get_by_role("button", name="Roll back…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Training goes on from step 500")
    expect(dialog).to_contain_text("The 200 steps after it stay as an abandoned branch")

    dialog.get_by_role("button", name="Roll back", exact=True).click()
    asked = story.wait_for_command()
    assert asked.arguments.get("to") == "best"
    story.answer(asked, "acknowledged")
    story.roll_back()
    story.answer(asked, "done", "rolled back to step 500")
    story.advance(1)
    expect(dialog.locator("li", has_text="done").locator("time")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()

    with page.expect_download() as saved:
        page.get_by_role("button", name="Export accuracy as CSV").click()
    lines = [line.split(",") for line in saved.value.path().read_text().splitlines()]
    points = [(int(step), bool(int(abandoned))) for key, step, _, _, abandoned in lines[1:] if key == "val_accuracy"]
    assert points == [(step, False) for step in range(100, 601, 100)] + [(600, True), (700, True)]

    page.get_by_role("button", name="Decisions").click()
    expect(page.locator("tr.ghost")).to_have_count(2)
    expect(page.get_by_text("abandoned").first).to_be_visible()


def test_overrides_of_a_roll_back_are_checked_sent_and_shown(page: Page, tell: Tell) -> None:
    story = tell(name="to be changed").advance(5).advance(2, value=lambda step: 0.4)
    page.goto(f"/r/{story.id}?tab=checkpoints")
    page.get_by_role("button", name="Roll back to step 400").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("radio", checked=True)).to_have_accessible_name(
        re.compile("^step 400 val_accuracy .* on disk")
    )
    rate, go = dialog.get_by_label("Learning rate"), dialog.get_by_role("button", name="Roll back", exact=True)
    rate.fill("fast")
    expect(rate).to_have_accessible_description(re.compile("such as 3e-5"))
    expect(go).to_be_disabled()

    story.drop(400)
    expect(dialog.get_by_role("alert")).to_have_text("The run no longer keeps the chosen state. Choose another.")
    dialog.get_by_role("radio", name=re.compile("the best")).check()
    rate.fill("0.1x")
    dialog.get_by_label("Step limit").fill("20 000")
    expect(dialog.locator("pre")).to_have_text(f"keepbest rollback {story.id} --learning-rate 0.1x --max-steps 20000")
    go.click()

    asked = story.wait_for_command()
    changed = {"learning_rate": "0.1x", "max_steps": 20000}
    assert asked.arguments.items() >= {"to": "best", **changed}.items()
    story.roll_back(**changed)
    story.answer(asked, "done", "Went back to step 500.", source="memory")
    expect(dialog).to_contain_text(re.compile(r"learning rate 0.1x, up to 20.000 steps"))
    expect(dialog).to_contain_text(re.compile(r"done in \d+(\.\d+)? s, from memory"))
    dialog.get_by_role("button", name="Close").click()

    page.get_by_role("button", name="Decisions").click()
    expect(page.get_by_label("Segments")).to_contain_text("rolled back 700 → 500, learning rate 0.1x")
    page.get_by_role("button", name="Curves").click()
    expect(page.get_by_role("img", name=re.compile("rolled back 700 → 500, learning rate 0.1x"))).to_be_visible()


def test_a_fork_begins_at_the_checkpoint_that_was_clicked(page: Page, tell: Tell, client: Client, store: Store) -> None:
    story = tell(name="forked", store=store).advance(4)
    page.goto(f"/r/{story.id}?tab=checkpoints")
    page.get_by_role("button", name="Fork from step 300").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name of the fork").fill("second try")
    dialog.get_by_label("Learning rate").fill("3e-5")
    line = re.compile(rf"^keepbest fork {story.id} --checkpoint \w+ --learning-rate 3e-5 --name 'second try'$")
    expect(dialog.locator("pre")).to_have_text(line)
    assert dialog.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth"), "a long command widened the dialog"
    dialog.get_by_role("button", name="Fork", exact=True).click()

    expect(page.get_by_role("heading", name="second try")).to_be_visible()
    expect(page.get_by_text("waits for a worker")).to_be_visible()
    made = client.run(page.url.rsplit("/", 1)[-1])
    client.cancel_run(made.id)
    assert made.spec.forked_from is not None
    assert (made.spec.forked_from.run, made.spec.forked_from.step) == (story.id, 300)
    page.get_by_role("link", name=f"{story.id} @ 300").click()
    expect(page.get_by_role("heading", name="forked", exact=True)).to_be_visible()


def test_an_ended_run_goes_on_changed(page: Page, tell: Tell) -> None:
    """Regression: a user who was faster than the list of checkpoints lost the place that the dialog had chosen."""
    story = tell(name="to go on").advance(40)
    story.finish()
    held: list[Route] = []
    page.route("**/checkpoints", lambda route: held.append(route))
    page.goto(f"/r/{story.id}?tab=decisions")
    page.get_by_role("button", name="Resume…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("radio", checked=True)).to_have_accessible_name(re.compile("^the start"))
    for route in held:
        route.continue_()
    page.unroute("**/checkpoints")
    expect(dialog.get_by_role("radio", checked=True)).to_have_accessible_name(re.compile("^the last step"))
    dialog.get_by_label("Learning rate").fill("0.1x")
    expect(dialog.locator("pre")).to_have_text(f"keepbest resume {story.id} --learning-rate 0.1x")
    dialog.get_by_role("button", name="Resume", exact=True).click()
    expect(page.get_by_text("waits for a worker")).to_be_visible()

    story.go_on().advance(1)

    expect(page.get_by_text("running", exact=True)).to_be_visible()
    expect(page.get_by_label("Segments")).to_contain_text(re.compile(r"resumed [\d,]+ → [\d,]+, learning rate 0.1x"))


def test_what_memory_holds_is_live_and_a_way_back(page: Page, tell: Tell) -> None:
    story = tell(name="remembered").advance(3)
    page.goto(f"/r/{story.id}")
    expect(page.get_by_role("heading", name="remembered")).to_be_visible()
    assert story.best is not None
    _, best, _ = story.best
    story.hold((best, 300), (new_id(), 250))

    card = page.get_by_label("In memory")
    expect(card).to_contain_text("2 snapshots, 2.5 MB of 5.7 GB")
    expect(card.get_by_role("button", name=re.compile("^step 300.*best.*roll back"))).to_be_visible()
    card.get_by_role("button", name=re.compile("^step 250.*roll back")).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("radio", checked=True)).to_have_accessible_name("step 250 in memory")
    expect(dialog.locator("pre")).to_have_text(f"keepbest rollback {story.id} --step 250")

    dialog.get_by_role("button", name="Roll back", exact=True).click()
    assert story.wait_for_command().arguments.get("step") == 250


def test_a_kept_point_on_the_curve_is_a_way_back(page: Page, tell: Tell) -> None:
    story = tell(name="clickable").advance(5)
    page.goto(f"/r/{story.id}?zoom=0,500")
    expect(page.get_by_label("Curves of accuracy")).to_contain_text("choose a mark")
    plot = page.get_by_label("Curves of accuracy").locator(".u-over")
    found = wait_until(lambda: _find_kept(plot, share=2 / 5), what="a mark that can be clicked")

    plot.click(position=found)

    expect(page.get_by_role("dialog").get_by_role("radio", checked=True)).to_have_accessible_name(
        re.compile("^step 200")
    )


def _find_kept(plot: Locator, share: float) -> Position | None:
    """Move the mouse down the chart, at this share of its width, until a mark can be clicked."""
    box = plot.bounding_box()
    if box is None:  # not drawn yet
        return None
    places: list[Position] = [{"x": box["width"] * share, "y": float(y)} for y in range(4, int(box["height"]), 8)]
    return next((place for place in places if _is_clickable(plot, place)), None)


def _is_clickable(plot: Locator, place: Position) -> bool:
    plot.hover(position=place)
    return bool(plot.evaluate("over => over.style.cursor === 'pointer'"))
