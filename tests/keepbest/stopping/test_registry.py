"""Policies from their JSON form, and what they say of themselves."""

from __future__ import annotations

from typing import Any

import pytest

from keepbest.errors import InvalidInput
from keepbest.stopping import AnyOf, MaxSeconds, Patience, build, describe
from keepbest.stopping.registry import POLICIES

PATIENCE = {"name": "patience", "params": {"checks": 3}}


def test_a_policy_is_built_from_its_json_form() -> None:
    spec = {"name": "any_of", "params": {}, "policies": [PATIENCE, {"name": "max_seconds", "params": {"seconds": 60}}]}
    parts = (Patience(mode="min", checks=3), MaxSeconds(mode="min", seconds=60))
    assert build(spec, "min") == AnyOf(mode="min", policies=parts)


def test_the_json_form_comes_back_complete() -> None:
    policy = build({"name": "any_of", "policies": [PATIENCE]}, "max")
    assert build(policy.to_json(), "max") == policy
    assert policy.to_json()["policies"][0]["params"]["min_delta"] == 0.0


@pytest.mark.parametrize(
    ("spec", "field", "hint"),
    [
        ({"name": "pacience"}, "stopper.name", "Did you mean 'patience'?"),
        ({"name": "xyz"}, "stopper.name", "Known: patience,"),
        ({}, "stopper.name", "Known: "),
        ({"name": 3}, "stopper.name", "Known: "),
        ({"name": "patience", "params": {"cheks": 3}}, "stopper.params.cheks", "Did you mean 'checks'?"),
        ({"name": "check_finite", "params": {"a": 3}}, "stopper.params.a", "There are none."),
        ({"name": "patience", "params": {"checks": 0}}, "stopper.params.checks", None),
        ({"name": "patience", "params": {"checks": 1, "steps": 1}}, "stopper.params.steps", None),
        ({"name": "patience", "params": [1]}, "stopper.params", None),
        ({"name": "patience", "parms": {}}, "stopper.parms", "Did you mean 'params'?"),
        ({"name": "patience", "version": 2}, "stopper.version", "Install"),
        ({"name": "patience", "policies": [PATIENCE]}, "stopper.policies", "Use any_of"),
        ({"name": "max_steps"}, "stopper.params.steps", None),
        ({"name": "max_steps", "params": {"steps": None}}, "stopper.params.steps", None),
        ({"name": "any_of"}, "stopper.policies", None),
        ({"name": "shadow"}, "stopper.policies", None),
        ({"name": "shadow", "policies": [PATIENCE] * 2}, "stopper.policies", "Join them"),
        ({"name": "any_of", "policies": "patience"}, "stopper.policies", None),
        ({"name": "any_of", "policies": [PATIENCE] * 11}, "stopper.policies", None),
        ({"name": "any_of", "policies": [PATIENCE, {"name": "max_sec"}]}, "stopper.policies.1.name", "Did you mean"),
        (
            {"name": "any_of", "policies": [PATIENCE, {"name": "max_steps", "params": {"steps": -1}}]},
            "stopper.policies.1.params.steps",
            None,
        ),
        ("patience", "stopper", None),
        (None, "stopper", None),
    ],
)
def test_what_is_wrong_is_named(spec: Any, field: str, hint: str | None) -> None:
    with pytest.raises(InvalidInput) as caught:
        build(spec, "max")
    assert caught.value.field == field
    assert (caught.value.hint or "").startswith(hint or "")


def test_a_deep_nest_is_refused_before_it_hurts() -> None:
    spec: dict[str, Any] = PATIENCE
    for _ in range(900):
        spec = {"name": "any_of", "policies": [spec]}
    with pytest.raises(InvalidInput, match="deep"):
        build(spec, "max")


def test_every_policy_describes_itself() -> None:
    for info in describe():
        assert info.name in POLICIES
        assert info.version >= 1
        assert info.summary
        assert all(param.help for param in info.params)
    assert [info.name for info in describe()] == list(POLICIES)
