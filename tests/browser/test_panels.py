"""Panels in the dashboard: a list, a slider over the steps, the best beside it; hostile names stay text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from keepbest.contract.panels import GraphData, GraphEdge, GraphNode, PanelData, PanelMade
from keepbest.panels.boundary import draw_boundary, draw_fit
from keepbest.panels.confusion import count_confusion, find_wrong
from keepbest.panels.histograms import spread
from keepbest.panels.weights import show_filters
from tests.support.story import Story, now

pytestmark = pytest.mark.browser
Tell = Callable[..., Story]
HOSTILE = "<img src=x onerror=alert(1)>"


def pictures() -> dict[str, PanelData]:
    """One panel of each kind."""
    true, said = np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    line = np.linspace(-1, 1, 5, dtype=np.float32)[:, np.newaxis]
    plane = np.array([[1.0, 2.0], [-1.0, -2.0]])

    def answers(at: Any) -> list[tuple[str, Any]]:
        return [("hidden", np.tanh(at)), ("output", np.tanh(at[:, :1]))]

    nodes = [("net", "scope", None), ("net/MatMul", "MatMul", "net"), ("x", "Placeholder", None)]
    graph = [GraphNode(id=id, label=id.rpartition("/")[2], type=kind, parent=parent) for id, kind, parent in nodes]
    return {
        "confusion": count_confusion(true, said.argmax(axis=1), [HOSTILE, "dog"]),
        "misclassified": find_wrong(true, said, [HOSTILE, "dog"], np.eye(3)[:, :, np.newaxis] * np.ones(3)),
        "weights/net/conv/kernel": show_filters(np.arange(18.0).reshape(3, 3, 1, 2), "conv/kernel"),
        "outputs": spread({HOSTILE: np.arange(9.0)}),
        "fit": draw_fit(line, line**2, lambda x: x**2),
        "boundary": draw_boundary((plane, np.array([1, -1])), None, answers, [(np.eye(2), np.ones(2))] * 2),
        "graph": GraphData(kind="graph", nodes=graph, edges=[GraphEdge(source="x", target="net/MatMul", shape="?x8")]),
    }


def paint(story: Story, step: int) -> None:
    panels = [
        PanelMade(segment=0, step=step, name=name, data=data, at=now()).model_dump(mode="json")
        for name, data in pictures().items()
    ]
    story.tell(panels=panels)


def test_every_kind_is_drawn_and_the_best_stands_beside(page: Page, tell: Tell) -> None:
    story = tell(name="painted").advance(5)
    for step in (100, 500):
        paint(story, step)
    story.advance(1, value=lambda step: 0.1)
    paint(story, 600)
    page.goto(f"/r/{story.id}?tab=panels")
    expect(page.get_by_role("region", name="boundary at step 500")).to_contain_text("(best)")
    expect(page.get_by_role("region", name="boundary at step 600").locator("canvas")).to_have_count(3)
    page.get_by_label("step of the panel").fill("0")
    expect(page.get_by_role("region", name="boundary at step 100")).to_be_visible()

    shown = {
        "confusion": "2 of 3 right",
        "misclassified": "misclassifies 1 of 3 validation examples",
        "conv/kernel": "standard deviation",
        "outputs": HOSTILE,
        "fit": "x from -1 to 1",
    }
    for name, text in shown.items():
        page.get_by_role("button", name=name).click()
        expect(page.locator("section.card", has_text=text).first).to_be_visible()
    expect(page.locator("img[src=x]")).to_have_count(0)

    page.get_by_role("button", name="confusion").click()
    page.get_by_role("button", name=re.compile("1 of class dog taken for")).first.click()
    expect(page.get_by_role("region", name=f"dog, taken for {HOSTILE}").first.locator("canvas")).to_have_count(1)
    page.get_by_role("button", name="Close").first.click()
    expect(page.get_by_role("region", name=f"dog, taken for {HOSTILE}")).to_have_count(0)

    page.get_by_role("button", name="graph").click()
    scope = page.get_by_role("button", name="net, scope").first
    expect(scope).to_have_attribute("aria-expanded", "true")
    scope.press("Enter")
    expect(scope).to_have_attribute("aria-expanded", "false")


def test_a_run_without_panels_says_how_they_come(page: Page, tell: Tell) -> None:
    page.goto(f"/r/{tell(name='unpainted').id}?tab=panels")
    expect(page.get_by_text("No panels yet")).to_be_visible()


def test_the_playground_is_in_its_link(page: Page, tell: Tell) -> None:
    story = tell(name="in the playground").advance(1)
    paint(story, 100)
    page.goto(f"/playground?data=spiral&hidden=8,6&hide=seed&run={story.id}")
    expect(page.get_by_role("radio", name="spiral")).to_be_checked()
    expect(page.get_by_text("2 hidden layers")).to_be_visible()
    expect(page.get_by_role("spinbutton", name="Seed")).to_have_count(0)
    expect(page.get_by_role("region", name="boundary at step 100")).to_be_visible()


def test_the_playground_draws_a_network_that_changes(page: Page) -> None:
    page.goto("/playground?hidden=3,2")
    region = page.get_by_role("region", name="The network before training")
    expect(region.locator(".neuron")).to_have_count(5)
    expect(region.locator("path")).to_have_count(2 * 3 + 3 * 2 + 2)
    page.get_by_role("button", name="Add a layer").click()
    page.get_by_role("button", name="Add a neuron to layer 1").click()
    page.get_by_role("button", name="feature x₁²").click()
    page.get_by_role("radio", name="xor").press(" ")
    expect(page).to_have_url(re.compile("data=xor.*features=x%2Cy%2Cx2.*hidden=4%2C2%2C2"))
    expect(region.locator(".neuron")).to_have_count(8)
    page.set_viewport_size({"width": 390, "height": 844})
    expect(region.locator(".plane")).to_be_visible()
    page.wait_for_function("document.documentElement.scrollWidth <= 390")
    page.get_by_role("button", name="Train").click()  # the worker here announced no such recipe
    expect(page.get_by_text("There is no recipe 'playground'")).to_be_visible()
