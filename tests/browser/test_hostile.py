"""The page shows every hostile name and log line as text, and runs nothing of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from keepbest.client.client import Client
from keepbest.contract.runs import RunPatch
from tests.support.story import Story, now

pytestmark = pytest.mark.browser
EVIL = "<img src=x onerror=\"window.caught='yes'\"><script>window.caught='yes'</script>"
TRICKY = "{@html evil} ${7*7} {{7*7}} \u202egnp.exe"


@pytest.fixture
def hostile(tell: Callable[..., Story], client: Client) -> Story:
    story = tell(name="hostile", tags=[EVIL[:100]], notes=EVIL)
    story.advance(2)
    column = {"segment": 0, "key": EVIL, "steps": [100], "values": [1.0], "times": [now().timestamp()]}
    odd = {"segment": 0, "key": "__proto__", "steps": [100], "values": [2.0], "times": [now().timestamp()]}
    story.tell(columns=[column, odd])
    story.print(f"{EVIL}\n{TRICKY}\n", "stderr")
    client.patch_run(story.id, RunPatch(tags=[EVIL[:100], "__proto__"]))
    story.fail(code="code_failed", message=EVIL, hint=TRICKY, traceback=EVIL)
    return story


def is_clean(page: Page) -> bool:
    return bool(page.evaluate("!window.caught && !document.querySelector('img[src=x], main script')"))


@pytest.mark.parametrize("tab", ["curves", "decisions", "checkpoints", "logs", "config"])
def test_names_are_text_on_the_run_page(page: Page, hostile: Story, tab: str) -> None:
    page.goto(f"/r/{hostile.id}?tab={tab}")

    expect(page.get_by_label("Why this run failed")).to_contain_text("<img src=x onerror=")
    expect(page.get_by_text("{@html evil}").first).to_be_visible()
    assert is_clean(page)


def test_names_are_text_in_curves(page: Page, hostile: Story) -> None:
    page.goto(f"/r/{hostile.id}")

    expect(page.get_by_role("heading", name="<img src=x").last).to_be_visible()
    expect(page.get_by_role("heading", name="__proto__")).to_be_visible()
    assert is_clean(page)


def test_names_are_text_in_the_table_of_runs(page: Page, hostile: Story) -> None:
    page.goto(f"/p/digits?table=1&q={hostile.id}")

    expect(page.locator("tbody tr:not([aria-hidden])")).to_contain_text("<img src=x")
    assert is_clean(page)


def test_a_hostile_address_is_text_too(page: Page) -> None:
    page.goto("/p/%3Cimg%20src%3Dx%20onerror%3Dwindow.caught%3D1%3E?q=%3Cscript%3E")

    expect(page.get_by_role("heading", name="<img src=x onerror=window.caught=1>", exact=True)).to_be_visible()
    assert is_clean(page)


def test_the_page_allows_no_script_but_its_own(page: Page) -> None:
    answer = page.goto("/")
    assert answer is not None
    policy = answer.header_value("content-security-policy") or ""
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))

    assert directives["default-src"] == "'self'"
    assert "unsafe" not in policy
    assert directives["frame-ancestors"] == "'none'"
