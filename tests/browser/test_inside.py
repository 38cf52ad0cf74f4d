"""Inside a checkpoint: its variables, values of one as picture and numbers, the difference from the best."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from keepbest.checkpoint import Store
from keepbest.client.client import Client
from tests.support.states import about, state_of
from tests.support.story import Story

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=alert(1)>/kernel"


class Network(Story):
    """A run whose checkpoints hold a convolution, a large kernel, a bias that is not finite, and a scalar."""

    def _write(self, value: float, step: int) -> tuple[str, str]:
        assert self.store is not None
        rng = np.random.default_rng(7)
        images, kernel = rng.normal(0, 0.1, (5, 5, 1, 4)), rng.normal(0, 0.02, (784, 64)) * np.linspace(0, 1, 64)
        arrays: list[tuple[Any, str, Any]] = [
            ("model", HOSTILE, (images * (1 + step / 1000)).astype(np.float32)),
            ("model", "dense/kernel", kernel.astype(np.float32)),
            ("model", "dense/bias", np.array([step, -1.5, np.nan], np.float32)),
            ("optimizer", "adam/iteration", np.array(step, np.int64)),
        ]
        written = self.store.write(state_of(arrays, step), about(self.id, value=value, segment=self.segment))
        return written.manifest.id, written.digest


@pytest.fixture
def story(client: Client, worker: str, store: Store) -> Story:
    return Network(client, worker, name="looked into", store=store).begin().advance(3)


def open_inside(page: Page, story: Story, step: int) -> None:
    page.goto(f"/r/{story.id}?tab=checkpoints")
    page.get_by_role("button", name=f"Look inside step {step}").click()
    expect(page.get_by_role("region", name="Variables")).to_contain_text("dense/kernel")


def test_a_checkpoint_is_inspected_beside_the_best(page: Page, story: Story) -> None:
    open_inside(page, story, 200)
    rows = page.get_by_role("region", name="Variables").locator("tbody tr")

    expect(rows).to_have_count(4)
    expect(rows.nth(1)).to_contain_text("[784, 64]float32")
    expect(rows.nth(1)).to_contain_text("equal")
    expect(rows.nth(0)).to_contain_text("7.69 %")  # 1.2 and 1.3 times the same values
    expect(rows.nth(2)).to_contain_text("1 not finite")
    expect(page.get_by_text("1 of 4 variables equal those of step 300")).to_be_visible()
    expect(page.locator("img[src=x]")).to_have_count(0)
    commands = page.get_by_label("the commands that print the same", exact=True)
    expect(commands).to_contain_text(re.compile(r"keepbest checkpoint diff \w{12} \w{12}"))

    page.get_by_label("Compare with").select_option("none")
    expect(page.get_by_role("columnheader")).to_have_count(8)
    expect(commands).not_to_contain_text("diff")
    page.get_by_role("button", name="Norm").click()
    expect(rows.first).to_contain_text("dense/bias")
    page.get_by_label("Filter variables").fill("adam")
    expect(rows).to_have_count(1)
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Look inside step 200")).to_be_focused()
    expect(page).to_have_url(re.compile(r"\?tab=checkpoints$"))


def test_values_are_a_picture_and_numbers_and_the_view_is_a_link(page: Page, story: Story) -> None:
    open_inside(page, story, 300)
    values = page.get_by_role("region", name="Values of")

    expect(values).to_contain_text("all 5 x 5 values")
    expect(values.get_by_label("Slice")).to_have_value(":,:,0,0")
    expect(values.get_by_label(f"{HOSTILE} [:,:,0,0]")).to_be_visible()
    expect(values.get_by_label(f"Histogram of {HOSTILE}")).to_be_visible()
    page.keyboard.press("j")
    expect(values).to_contain_text("the first 256 x 64 of 784 x 64; write a slice to see the others")
    values.get_by_label("Slice").fill("380,0:3")
    values.get_by_label("Slice").press("Enter")
    expect(values.get_by_role("region", name="Numbers").locator("li")).to_have_count(3)
    values.get_by_label("Slice").fill("900")
    values.get_by_label("Slice").press("Enter")
    expect(values.get_by_role("alert")).to_contain_text("dense/kernel has shape [784, 64]: index 900 is out of bounds")
    values.get_by_label("Slice").fill("0:4,:")
    values.get_by_label("Slice").press("Enter")
    values.get_by_role("button", name="Numbers").click()
    expect(values.get_by_role("rowheader")).to_have_count(4)

    page.goto(page.evaluate("location.href"))
    expect(values).to_contain_text("all 4 x 64 values")
    expect(page.get_by_text("model/dense/kernel --slice '0:4,:'")).to_be_visible()


def test_missing_files_are_named_with_the_next_command(page: Page, client: Client, worker: str) -> None:
    story = Story(client, worker, name="elsewhere").begin().advance(1)
    page.goto(f"/r/{story.id}?tab=checkpoints")
    page.get_by_role("button", name="Look inside step 100").click()

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("are not in the tracker's store")
    expect(alert).to_contain_text(f"keepbest checkpoints {story.id} --all")
    assert story.best is not None
    expect(page.get_by_text(f"keepbest checkpoint show {story.best[1]}")).to_be_visible()
    page.goto(f"/r/{story.id}?tab=checkpoints&inside=%3Cimg%20src%3Dx%3E%3B%24(id)")
    expect(alert).to_contain_text("There is no checkpoint")
    expect(page.get_by_text("keepbest checkpoint show '<img src=x>;$(id)'")).to_be_visible()
    expect(page.locator("img[src=x]")).to_have_count(0)


def test_it_fits_a_telephone(page: Page, story: Story) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    open_inside(page, story, 200)
    expect(page.get_by_role("region", name="Values of")).to_contain_text("all 5 x 5 values")

    page.wait_for_function("document.documentElement.scrollWidth <= 390")
