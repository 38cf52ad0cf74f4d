"""Signing in: only by a link that works once, or by a token."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from keepbest.client.client import Client
from tests.browser.conftest import Tracker, end_session

pytestmark = pytest.mark.browser
OpenContext = Callable[..., BrowserContext]


@pytest.fixture
def stranger(open_context: OpenContext) -> Page:
    return open_context(signed_in=False).new_page()


def test_a_link_signs_in_once_and_leaves_no_code_behind(
    stranger: Page, client: Client, open_context: OpenContext
) -> None:
    link = client.make_sign_in_link().path
    assert "#code=" in link

    stranger.goto(link)
    expect(stranger.get_by_text("live", exact=True)).to_be_visible()
    assert stranger.evaluate("location.href").endswith("/")
    stranger.reload()
    expect(stranger.get_by_text("live", exact=True)).to_be_visible()

    second = open_context(signed_in=False).new_page()
    second.goto(link)
    expect(second.get_by_role("alert")).to_contain_text("used up")
    assert "code" not in second.evaluate("location.href")


def test_a_token_signs_in_and_the_page_asked_for_follows(stranger: Page, tracker: Tracker) -> None:
    stranger.goto("/settings")
    stranger.get_by_label("Token", exact=True).fill(tracker.token)
    stranger.get_by_role("button", name="Sign in").click()

    expect(stranger.get_by_role("heading", name="Settings")).to_be_visible()


def test_a_wrong_token_is_refused_in_words(stranger: Page) -> None:
    stranger.goto("/")
    stranger.get_by_label("Token", exact=True).fill("kb_wrong")
    stranger.get_by_role("button", name="Sign in").click()

    expect(stranger.get_by_role("alert")).to_contain_text("unknown or expired")
    expect(stranger.get_by_role("heading", name="Projects")).to_have_count(0)
    card = stranger.locator("form").evaluate("(form) => [form.scrollWidth, form.clientWidth]")
    assert card[0] <= card[1]  # the hint's command lies within the card


def test_a_session_that_ended_says_so_and_returns(page: Page, tracker: Tracker) -> None:
    page.goto("/settings")
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    end_session(page, at="workers")
    page.get_by_role("link", name="Workers").click()

    expect(page.get_by_text("Your session has ended")).to_be_visible()
    expect(page.locator("pre")).to_contain_text("KEEPBEST_DIR")
    page.unroute_all()
    page.get_by_label("Token", exact=True).fill(tracker.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Workers")).to_be_visible()


def test_signing_out_ends_the_session(page: Page) -> None:
    page.goto("/settings")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token", exact=True)).to_be_visible()

    page.goto("/")
    expect(page.get_by_label("Token", exact=True)).to_be_visible()
