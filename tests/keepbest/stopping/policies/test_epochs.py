"""Epochs in policies: counted in steps once an epoch's steps are known, and judged by nobody before."""

from __future__ import annotations

import pytest

from keepbest.errors import InvalidInput
from keepbest.stopping import Validation, build, parse, render
from keepbest.stopping.policies.epochs import counts_epochs, resolve_epochs, to_steps


@pytest.mark.parametrize(
    ("epochs", "each", "steps"), [(1, 47, 47), (10, 47, 470), (0.5, 47, 24), (0.001, 47, 1), (2.5, 4, 10)]
)
def test_steps_of_epochs(epochs: float, each: int, steps: int) -> None:
    assert to_steps(epochs, each) == steps


@pytest.mark.parametrize(
    ("text", "counts"),
    [("10epochs", True), ("max_steps(3) | shadow(2epochs)", True), ("10 | 20steps", False), ("check_finite", False)],
)
def test_which_policies_count_epochs(text: str, counts: bool) -> None:
    assert counts_epochs(parse(text)) == counts


def test_every_count_gets_its_steps_and_keeps_its_epochs() -> None:
    settled = resolve_epochs(parse("2epochs | 10 | shadow(3epochs)"), 50)
    assert render(settled) == (
        "patience(epochs=2.0, steps=100, every_step=false, inclusive=true) | patience(checks=10) | "
        "shadow(patience(epochs=3.0, steps=150, every_step=false, inclusive=true))"
    )
    assert resolve_epochs(settled, 50) == settled  # a run that is resumed settles them again


def test_patience_in_epochs_ends_as_keras_does() -> None:
    policy = build(resolve_epochs(parse("2epochs"), 10), "max")
    state = policy.start()
    stops = []
    for step, value in ((10, 0.5), (20, 0.5), (30, 0.4), (40, 0.3)):
        state, decision = policy.observe(state, Validation(step, value))
        stops.append(decision.stop)
    assert stops == [False, False, True, True]


def test_nobody_judges_by_epochs_that_are_not_known() -> None:
    policy = build(parse("2epochs"), "max")
    with pytest.raises(InvalidInput, match="Only a worker knows"):
        policy.observe(policy.start(), Validation(10, 0.5))
    with pytest.raises(InvalidInput, match="checks or in epochs"):
        build(parse("patience(5)") | {"params": {"checks": 5, "epochs": 2.0}}, "max")
