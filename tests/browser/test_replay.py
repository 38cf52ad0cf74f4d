"""Replay in the dashboard: sliders move the stop on the curve, errors point at the place, runs are compared."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from keepbest.client.client import Client
from keepbest.contract.projects import ProjectRequest
from keepbest.contract.replays import ReplayOutcome, ReplayRequest
from tests.browser.test_accessible import faults
from tests.support.story import EXAMPLES, Story

pytestmark = pytest.mark.browser
PROJECT = "replayed"
HOSTILE = '<img src=x onerror="window.caught=1">'


def rising(step: int) -> float:
    """Return a share that rises ever slower, with a jump at each third validation."""
    return round(EXAMPLES * (0.9 - 90 / step + 0.01 * (step % 300 == 0))) / EXAMPLES


@pytest.fixture(scope="session")
def told(client: Client, worker: str) -> list[Story]:
    """Two long runs whose value rises and then wavers."""
    stories = []
    for name in ("first", "second"):
        stopper = {"name": "patience", "params": {"checks": 12}}
        story = Story(client, worker, project=PROJECT, name=name, stopper=stopper).begin()
        stories.append(story.advance(30, value=rising))
        story.finish("user", "enough")
    return stories


def outcome(client: Client, story: Story, stopper: str) -> ReplayOutcome:
    return client.replay(ReplayRequest(runs=[story.id], stoppers=[stopper])).policies[0].outcomes[0]


def test_a_project_without_runs_teaches_how_to_record_one(page: Page, client: Client) -> None:
    """Regression: the tracker's 422 was shown as an error, with a button to try again."""
    client.add_project(ProjectRequest(name="no-record"))
    page.goto("/p/no-record/replay")
    expect(page.get_by_role("heading", name="No recorded run to replay")).to_be_visible()
    expect(page.get_by_label("the commands", exact=True)).to_contain_text("--project no-record")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_sliders_move_the_stop_at_once(page: Page, told: list[Story], client: Client) -> None:
    story = told[0]
    page.goto(f"/r/{story.id}?tab=replay")
    said = page.get_by_label("What the policy would have done")
    expect(said).to_contain_text("The run would have gone on")

    page.get_by_label("Patience", exact=True).fill("2")
    policy = page.get_by_label("Policy", exact=True)
    expect(policy).to_have_value("patience(checks=2)")
    expected = outcome(client, story, "patience(checks=2)")
    expect(said).to_contain_text(re.compile(rf"step {str(expected.stop_step)[0]}\W?{str(expected.stop_step)[1:]}\b"))
    expect(said).to_contain_text(f"{expected.examples_lost} examples")
    expect(page.get_by_label("the command", exact=True)).to_contain_text('--stop "patience(checks=2)"')
    expect(page).to_have_url(re.compile(r"stop=patience%28checks%3D2%29"))

    policy.fill(f"patience(2) | {HOSTILE}")
    expect(page.get_by_role("alert")).to_contain_text("^")
    expect(policy).to_have_attribute("aria-invalid", "true")
    policy.fill("max_steps(500)")
    expect(said).to_contain_text("step 500")
    assert not page.evaluate("window.caught")


def test_a_run_without_validations_teaches(page: Page, tell: Callable[..., Story]) -> None:
    page.goto(f"/r/{tell(name='nothing yet').id}?tab=replay")
    expect(page.get_by_text("Nothing to replay yet")).to_be_visible()


def test_policies_are_compared_over_selected_runs(page: Page, told: list[Story]) -> None:
    page.goto(f"/p/{PROJECT}")
    page.get_by_label("Select run 1").check()
    page.get_by_role("group", name="Selected runs").get_by_role("link", name="Replay").click()
    expect(page.get_by_text("1 run, selected")).to_be_visible()
    page.goto(f"/p/{PROJECT}/replay")
    table = page.get_by_role("region", name="Policies")
    expect(page.get_by_text("2 runs, the newest")).to_be_visible()
    expect(table.get_by_role("row")).to_have_count(10)
    page.get_by_label("Tolerated loss").fill("0.05")
    page.get_by_label("Tolerated loss").press("Enter")
    command = page.get_by_label("Use for the next submit", exact=True)
    expect(command).to_contain_text("keepbest submit hvass-cnn --project replayed")
    expect(command).to_contain_text('--stop "patience(checks=2)"')

    own = page.get_by_label("A policy of your own")
    own.fill("patiense(7)")
    own.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Did you mean 'patience'?")
    expect(own).to_have_value("patiense(7)")
    own.fill("max_steps(1000)")
    own.press("Enter")
    expect(table.get_by_role("row")).to_have_count(11)
    expect(table.get_by_role("row").last).to_contain_text(re.compile(r"67 % · 2\W000 steps"))
    assert not page.evaluate("window.caught")


def test_replays_are_for_everybody(open_context: Callable[..., BrowserContext], told: list[Story]) -> None:
    page = open_context(reduced_motion="reduce").new_page()
    page.goto(f"/r/{told[0].id}?tab=replay&stop=patience(2)")
    expect(page.get_by_label("What the policy would have done")).to_contain_text("Stops at step")
    assert faults(page) == []
    page.goto(f"/p/{PROJECT}/replay?try=patience(4")
    expect(page.get_by_role("alert")).to_contain_text("^")
    assert faults(page) == []

    page.get_by_role("button", name="Make patience(checks=3) the default…").click()
    expect(page.get_by_role("dialog")).to_contain_text("Not set")
    assert faults(page) == []
    page.get_by_role("button", name="Make it the default", exact=True).click()
    page.goto(f"/p/{PROJECT}/rules")
    expect(page.get_by_text("A run without a stopper of its own stops by patience(checks=3).")).to_be_visible()
    page.get_by_role("button", name="Change: Default stopper").click()
    page.get_by_label("Policy").fill(f"patience(2) | {HOSTILE}")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("^")
    assert faults(page) == []
