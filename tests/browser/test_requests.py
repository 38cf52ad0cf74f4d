"""How many requests live pages make: one for all curves in sight, and two a second for all tabs of a browser."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Request, expect

from tests.support.story import Story

pytestmark = pytest.mark.browser
SECONDS = 6.0
TABS = 5
#: A page that is held back reads once more when its turn comes.
MOST = 2 * SECONDS + 4


def test_live_tabs_share_two_requests_a_second(
    open_context: Callable[..., BrowserContext], tell: Callable[..., Story]
) -> None:
    story = tell(name="busy").advance(1)
    context = open_context()
    seen: Counter[str] = Counter()

    def note(request: Request) -> None:
        path = urlsplit(request.url).path
        if path.startswith("/api/v1/") and not path.endswith(("/stream", "/events")):
            seen[path.rsplit("/", 1)[-1]] += 1

    context.on("request", note)
    tabs = [context.new_page() for _ in range(TABS)]
    for tab in tabs:
        tab.goto(f"/r/{story.id}", wait_until="domcontentloaded")
        expect(tab.get_by_role("img", name="Chart of").first).to_be_visible()
        expect(tab.get_by_text(" points").first).to_be_visible()
    seen.clear()
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        story.advance(1)
        tabs[-1].wait_for_timeout(250)

    assert seen["curve"] == 0
    assert seen["curves"] > 0
    assert seen.total() <= MOST, seen
