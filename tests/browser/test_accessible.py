"""axe finds nothing on any page, in light and in dark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from keepbest.checkpoint import Store
from keepbest.contract.base import new_id
from tests.browser.test_panels import paint
from tests.support.need import need
from tests.support.processes import ROOT
from tests.support.story import Story

pytestmark = pytest.mark.browser
AXE = ROOT / "webui" / "node_modules" / "axe-core" / "axe.min.js"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
#: Between the two only colours differ.
RULES = {"light": {}, "dark": {"runOnly": ["color-contrast"]}}
OpenContext = Callable[..., BrowserContext]


@pytest.fixture(scope="session")
def finished(request: pytest.FixtureRequest) -> Story:
    client, worker = request.getfixturevalue("client"), request.getfixturevalue("worker")
    story = Story(client, worker, name="finished well", tags=["baseline"]).begin().advance(8)
    story.advance(2, value=lambda step: 0.6)
    story.roll_back().advance(40)
    story.print("\x1b[31mERROR\x1b[0m a line that is far wider than the window, " * 30 + "\n", "stderr")
    paint(story, 100)
    story.finish()
    return story


@pytest.fixture
def still(open_context: OpenContext) -> Page:
    return open_context(reduced_motion="reduce").new_page()


def faults(page: Page) -> list[str]:
    need(AXE.is_file(), "needs axe-core: make dashboard")
    return [fault for scheme in SCHEMES for fault in _faults_in(page, scheme)]


def _faults_in(page: Page, scheme: Literal["light", "dark"]) -> list[str]:
    page.emulate_media(color_scheme=scheme)
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate("rules => axe.run(document, rules)", RULES[scheme])
    return [f"{scheme} {one['id']}: {node['html'][:160]}" for one in found["violations"] for node in one["nodes"]]


def assert_fits_a_telephone(page: Page) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    page.wait_for_function("document.documentElement.scrollWidth <= 400")  # charts hear of the new width a moment later


def test_the_run_page(still: Page, finished: Story) -> None:
    still.goto(f"/r/{finished.id}")
    expect(still.get_by_label("Curves of accuracy")).to_contain_text("@")
    assert faults(still) == []

    for tab in ("Decisions", "Checkpoints", "Panels", "Report", "Logs", "Config"):
        chosen = still.get_by_role("navigation", name="Parts of the run").get_by_role("button", name=tab)
        chosen.click()
        expect(chosen).to_have_attribute("aria-current", "page")
        if tab == "Report":
            expect(still.get_by_role("article").get_by_role("note")).to_contain_text("Selected, optimistic")
        if tab == "Panels":
            expect(still.get_by_role("region", name="boundary at step 100")).to_be_visible()
        assert faults(still) == []
    still.get_by_role("navigation", name="Parts of the run").get_by_role("button", name="Logs").click()
    still.get_by_label("Wrap").uncheck()
    expect(still.locator("tr.error")).to_be_visible()
    assert faults(still) == []
    assert_fits_a_telephone(still)


def test_a_chart_as_a_table(still: Page, finished: Story) -> None:
    still.goto(f"/r/{finished.id}")
    still.get_by_label("Curves of accuracy").get_by_role("button", name="Table").click()
    expect(still.get_by_role("region", name="Numbers of the curve")).to_be_visible()

    assert faults(still) == []
    assert_fits_a_telephone(still)


def test_a_chart_not_yet_drawn_for_a_telephone(still: Page, finished: Story) -> None:
    still.add_init_script("window.ResizeObserver = class { observe() {} disconnect() {} }")
    still.goto(f"/r/{finished.id}")
    expect(still.get_by_label("Curves of accuracy").locator("canvas")).to_be_visible()

    assert_fits_a_telephone(still)


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("/", "Projects"),
        ("/p/digits", "digits"),
        ("/workers", "Workers"),
        ("/settings", "Settings"),
        ("/playground", "Playground"),
        ("/nope", "There is no"),
    ],
)
def test_the_other_pages(still: Page, finished: Story, path: str, heading: str) -> None:
    still.goto(path)
    expect(still.get_by_role("heading", name=heading).first).to_be_visible()
    expect(still.get_by_text("live", exact=True)).to_be_visible()

    assert faults(still) == []
    assert_fits_a_telephone(still)


def test_the_dialogs_and_a_failed_run(still: Page, tell: Callable[..., Story]) -> None:
    story = tell(name="in question").advance(2).hold((new_id(), 1500))
    still.goto(f"/r/{story.id}")
    expect(still.get_by_label("In memory")).to_be_visible()
    story.warn(stalled=True, warning="The store is away.", incomplete="words (StringLookup).table")
    expect(still.get_by_text("made no progress")).to_be_visible()
    assert faults(still) == []
    for button in ("Stop…", "Roll back…", "Fork…"):
        still.get_by_role("button", name=button).first.click()
        expect(still.get_by_role("dialog")).to_be_visible()
        assert faults(still) == []
        still.keyboard.press("Escape")
    story.fail(code="code_failed", message="It broke.", traceback="Traceback\n  here")
    expect(still.get_by_label("Why this run failed")).to_be_visible()
    still.get_by_role("button", name="Resume…").click()

    assert faults(still) == []


def test_inside_a_checkpoint(still: Page, tell: Callable[..., Story], store: Store) -> None:
    story = tell(name="looked into", store=store).advance(2)
    still.goto(f"/r/{story.id}?tab=checkpoints")
    still.get_by_role("button", name="Look inside step 100").click()
    expect(still.get_by_role("region", name="Values of")).to_contain_text("all 64 x 65")
    assert faults(still) == []
    still.get_by_role("button", name="Numbers").click()

    assert faults(still) == []


def test_the_sign_in_page(open_context: OpenContext) -> None:
    page = open_context(signed_in=False).new_page()
    page.goto("/")
    expect(page.get_by_label("Token", exact=True)).to_be_visible()

    assert faults(page) == []


def test_the_workspace_with_all_that_opens(still: Page, tell: Callable[..., Story]) -> None:
    for rate in (0.001, 0.01):
        story = tell(project="all open", name=f"rate {rate}", parameters={"learning_rate": rate}, tags=["seen"])
        story.advance(2).finish("user", "enough")
    still.goto("/p/all%20open")
    chart = still.get_by_role("region", name="Curves of loss")
    expect(chart.locator("canvas")).to_be_visible()
    box = still.get_by_label("Filter runs")
    box.press_sequentially("params")
    expect(still.get_by_role("listbox", name="Suggestions")).to_be_visible()
    box.press("ArrowDown")
    assert faults(still) == []
    box.fill("")
    box.press("Enter")
    expect(still.get_by_text("2 runs", exact=False).first).to_be_visible()

    still.get_by_label("Menu of loss").click()
    assert faults(still) == []
    chart.get_by_role("button", name="Show as table").click()
    still.get_by_text("Views", exact=True).click()
    expect(still.get_by_label("Name of this view")).to_be_visible()
    assert faults(still) == []
    still.goto("/p/all%20open?table=1")
    still.get_by_label("Select run 1").click()
    still.keyboard.press("j")
    still.keyboard.press("r")
    expect(still.get_by_label("Name of run 2")).to_be_visible()
    assert faults(still) == []
    still.keyboard.press("Escape")
    for button in ("Columns…", "Fork…", "Move…", "Delete…", "Edit run 2"):
        still.get_by_role("button", name=button).click()
        expect(still.get_by_role("dialog")).to_be_visible()
        assert faults(still) == []
        still.keyboard.press("Escape")
        expect(still.get_by_role("dialog")).to_have_count(0)
    still.get_by_label("Group by").select_option("tag")
    expect(still.get_by_role("region", name="Groups of runs")).to_contain_text("seen")
    assert faults(still) == []
    assert_fits_a_telephone(still)
