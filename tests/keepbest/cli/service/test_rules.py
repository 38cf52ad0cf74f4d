"""`keepbest project rules`, and who is told where a run's stopper came from, against the real tracker."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.client.client import Client
from keepbest.contract.rules import ProjectRules, RulesRequest
from keepbest.errors import Stale
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import FakeWorker, Live

ALL = ("--median", "optuna", "--max-steps", "20", "--max-seconds", "60", "--stop", "patience(3)")


@pytest.fixture(autouse=True)
def project(signed_in: None, keepbest: Keepbest) -> None:
    keepbest("project", "add", "digits")


def test_rules_are_shown_and_changed_one_by_one(keepbest: Keepbest) -> None:
    assert keepbest("project", "rules", "digits").out == "No rules in digits.\n"
    keepbest("project", "rules", "digits", "--median", "optuna", "--max-steps", "20", "--stop", "patience(3)")
    told = keepbest("project", "rules", "digits", "--startup-runs", "7").out
    assert all(word in told for word in ("optuna", "7 finished", "step 20", "patience(checks=3", "set by ada at 20"))
    cleared = keepbest("project", "rules", "digits", "--clear", "--max-seconds", "60", "--json").json
    assert (cleared["median"], cleared["max_steps"], cleared["max_seconds"]) == (None, None, 60)
    assert keepbest("project", "rules", "digits", "--stop", "patiense(3)").status != Exit.OK


@pytest.mark.parametrize(
    ("rule", "field"),
    [("stop", "stopper"), ("median", "median"), ("max-steps", "max_steps"), ("max-seconds", "max_seconds")],
)
def test_one_rule_is_removed_and_the_others_stay(keepbest: Keepbest, rule: str, field: str) -> None:
    before = keepbest("project", "rules", "digits", *ALL, "--json").json
    after = keepbest("project", "rules", "digits", "--remove", rule, "--json").json
    changed = {name for name in RulesRequest.model_fields if before[name] != after[name]}
    assert (changed, after[field]) == ({field}, None)


def test_a_rule_is_not_both_removed_and_given(keepbest: Keepbest) -> None:
    wrong = keepbest("project", "rules", "digits", "--remove", "median", "--startup-runs", "3")
    assert wrong.status == Exit.USAGE
    assert "--remove median and a new one exclude each other" in wrong.err
    assert keepbest("project", "rules", "digits", "--remove", "everything").status == Exit.USAGE


def test_a_word_about_the_median_makes_no_rule(keepbest: Keepbest) -> None:
    wrong = keepbest("project", "rules", "digits", "--startup-runs", "7")
    assert (wrong.status, keepbest("project", "rules", "digits").out) == (Exit.USAGE, "No rules in digits.\n")
    assert "There is no median rule to change.\nfield: median\nnext: Say which median: --median vizier" in wrong.err


def meddle(monkeypatch: pytest.MonkeyPatch, change: Callable[[ProjectRules], RulesRequest], times: int) -> None:
    """Let somebody else set rules between reading and setting, so many times."""
    plain, left = Client.change_rules, [None] * times

    def change_rules(self: Client, project: str, wanted: Callable[[ProjectRules], RulesRequest]) -> ProjectRules:
        def late(rules: ProjectRules) -> RulesRequest:
            if left:
                left.pop()
                plain(self, project, change)
            return wanted(rules)

        return plain(self, project, late)

    monkeypatch.setattr(Client, "change_rules", change_rules)


def test_what_others_set_meanwhile_stays(keepbest: Keepbest, monkeypatch: pytest.MonkeyPatch) -> None:
    meddle(monkeypatch, lambda rules: RulesRequest(max_steps=(rules.max_steps or 0) + 5), times=2)
    rules = keepbest("project", "rules", "digits", "--max-seconds", "60", "--json").json
    assert (rules["max_steps"], rules["max_seconds"]) == (10, 60)


def test_somebody_else_is_faster_each_time(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    meddle(monkeypatch, lambda rules: RulesRequest(max_steps=(rules.max_steps or 0) + 5), times=99)
    with live.client() as client, pytest.raises(Stale) as refused:
        client.change_rules("digits", lambda _: RulesRequest())
    assert refused.value.hint


def test_a_submission_says_that_it_stops_by_the_projects_default(keepbest: Keepbest, worker: FakeWorker) -> None:
    line = "stops by patience(checks=3): the default of project digits\n"
    asked = ("submit", "hvass-cnn", "-p", "digits")
    assert line not in keepbest(*asked).out
    keepbest("project", "rules", "digits", "--stop", "patience(3)")
    assert line in keepbest(*asked).out
    assert line not in keepbest(*asked, "--stop", "patience(3)").out
    found = [keepbest(*asked, "--json", *more).json for more in ((), ("--patience", "9"))]
    assert [one["stopper_is_default_of_project"] for one in found] == [True, False]
