"""A stopper in as few words as say the same."""

from __future__ import annotations

import pytest

from keepbest.cli.service.workers import render_stopper
from keepbest.contract.policies import PolicySpec
from keepbest.stopping import build, parse


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("1000steps", "patience(steps=1000)"),
        ("patience(steps=1000, every_step=true)", "patience(steps=1000)"),
        ("patience(steps=1000, every_step=false)", "patience(steps=1000, every_step=false)"),
        ("patience(10, min_delta=0.001) | check_finite()", "patience(checks=10, min_delta=0.001) | check_finite()"),
        ("max_steps(5)", "max_steps(steps=5)"),
    ],
)
def test_stops(asked: str, said: str) -> None:
    settled = build(parse(asked), "max").to_json()
    assert render_stopper(PolicySpec.model_validate(settled)) == said
    assert build(parse(said), "max") == build(parse(asked), "max")
