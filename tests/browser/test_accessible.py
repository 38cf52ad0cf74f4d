"""axe finds nothing on any page, in light and in dark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.story import Story
from tests.support.need import need
from tests.support.processes import ROOT

pytestmark = pytest.mark.browser
AXE = ROOT / "webui" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(params=["light", "dark"])
def schemed(request: pytest.FixtureRequest, open_context: Callable[..., BrowserContext]) -> Page:
    need(AXE.is_file(), "needs axe-core: make dashboard")
    return open_context(color_scheme=request.param, reduced_motion="reduce").new_page()


@pytest.fixture(scope="module")
def finished(request: pytest.FixtureRequest) -> Story:
    client, worker = request.getfixturevalue("client"), request.getfixturevalue("worker")
    story = Story(client, worker, name="finished well", tags=["baseline"]).begin().advance(8)
    story.advance(2, value=lambda step: 0.6)
    story.roll_back().advance(40)
    story.finish()
    return story


def faults(page: Page) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate("axe.run(document)")
    return [f"{fault['id']}: {node['html'][:160]}" for fault in found["violations"] for node in fault["nodes"]]


@pytest.mark.parametrize("tab", ["curves", "looks", "checkpoints", "logs", "config"])
def test_the_run_page(schemed: Page, finished: Story, tab: str) -> None:
    schemed.goto(f"/r/{finished.id}?tab={tab}")
    expect(schemed.get_by_role("heading", name="finished well")).to_be_visible()
    expect(schemed.get_by_role("button", name="Curves", exact=True)).to_be_visible()

    assert faults(schemed) == []


def test_a_chart_as_a_table(schemed: Page, finished: Story) -> None:
    schemed.goto(f"/r/{finished.id}")
    schemed.get_by_label("Curves of accuracy").get_by_role("button", name="Table").click()
    expect(schemed.get_by_role("region", name="Numbers of the curve")).to_be_visible()

    assert faults(schemed) == []


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("/", "Projects"),
        ("/p/digits", "digits"),
        ("/workers", "Workers"),
        ("/settings", "Settings"),
        ("/nope", "There is no"),
    ],
)
def test_the_other_pages(schemed: Page, finished: Story, path: str, heading: str) -> None:
    schemed.goto(path)
    expect(schemed.get_by_role("heading", name=heading).first).to_be_visible()
    expect(schemed.get_by_text("live", exact=True)).to_be_visible()

    assert faults(schemed) == []


def test_the_dialogs_and_a_failed_run(schemed: Page, tell: Callable[..., Story]) -> None:
    story = tell(name="in question").advance(2)
    schemed.goto(f"/r/{story.id}")
    for button in ("Stop…", "Roll back…"):
        schemed.get_by_role("button", name=button).first.click()
        expect(schemed.get_by_role("dialog")).to_be_visible()
        assert faults(schemed) == []
        schemed.keyboard.press("Escape")
    story.fail(code="code_failed", message="It broke.", traceback="Traceback\n  here")
    expect(schemed.get_by_label("Why this run failed")).to_be_visible()

    assert faults(schemed) == []


def test_the_sign_in_page(open_context: Callable[..., BrowserContext]) -> None:
    need(AXE.is_file(), "needs axe-core: make dashboard")
    for scheme in ("light", "dark"):
        page = open_context(signed_in=False, color_scheme=scheme).new_page()
        page.goto("/")
        expect(page.get_by_label("Token")).to_be_visible()
        assert faults(page) == []
