"""A smaller learning rate on a plateau: when it is said, and how it lies within other policies."""

from __future__ import annotations

import pytest

from keepbest.errors import InvalidInput
from keepbest.status import StopReason
from keepbest.stopping import Decision, Policy, Validation, build, parse
from tests.support.watch import decisions_of, validations_of


def make(text: str) -> Policy:
    return build(parse(text), "max")


def reductions(text: str, values: list[float | None]) -> list[int]:
    return [said.at_step for said in decisions_of(make(text), validations_of(values)) if said.reduction is not None]


@pytest.mark.parametrize(
    ("text", "values", "at"),
    [
        ("reduce_on_plateau(2)", [0.5, 0.5, 0.4, 0.3, 0.2, 0.1], [3, 5]),
        ("reduce_on_plateau(2)", [0.5, 0.4, 0.6, 0.5, 0.5], [5]),
        ("reduce_on_plateau(1)", [0.5, 0.6, 0.7], []),
        ("reduce_on_plateau(2, min_delta=0.25)", [1.0, 1.2, 1.25, 1.3], [3]),  # 1.25 is none, and 1.3 adds up
        ("reduce_on_plateau(2, cooldown=2)", [0.5] * 9, [3, 7]),
        ("reduce_on_plateau(2, cooldown=2)", [0.5, 0.5, 0.5, 0.9, 0.5, 0.5, 0.5], [3, 7]),  # a gain in it counts
        ("reduce_on_plateau(2, max_reductions=1)", [0.5] * 9, [3]),
        ("reduce_on_plateau(2)", [0.5, None, 0.5, None, 0.5], [5]),
        ("reduce_on_plateau(2)", [float("nan")] * 4, [2, 4]),
        ("patience(9) & reduce_on_plateau(2, max_reductions=1)", [0.5] * 5, [3]),
        ("shadow(reduce_on_plateau(2)) | patience(9)", [0.5] * 5, []),
    ],
)
def test_when_the_rate_is_reduced(text: str, values: list[float | None], at: list[int]) -> None:
    assert reductions(text, values) == at


def test_what_it_says() -> None:
    policy = make("reduce_on_plateau(checks=2, factor=0.5, min_rate=1e-5, cooldown=1) | patience(15)")
    said = decisions_of(policy, validations_of([0.5, 0.5, 0.5, 0.5, 0.5]))
    assert [one.verdicts[0].message for one in said] == [
        "0 of 2 checks without improvement before learning rate x0.5",
        "1 of 2 checks without improvement before learning rate x0.5",
        "learning rate x0.5: 2 checks without improvement",
        "0 of 2 checks without improvement before learning rate x0.5",
        "1 of 2 checks without improvement before learning rate x0.5",
    ]
    assert said[2].message == (
        "Step 3: 0.5; 2 of 15 checks without improvement; best 0.5 at step 1."
        " Learning rate x0.5: 2 checks without improvement."
    )
    assert (said[2].reduction, said[2].stop, said[2].patience_left) == ((0.5, 1e-5), False, 13)


def test_alone_its_sentence_says_it_once() -> None:
    said = decisions_of(make("reduce_on_plateau(1)"), validations_of([0.5, 0.5]))[1]
    assert said.message == ("Step 2: 0.5; learning rate x0.1: 1 checks without improvement; best 0.5 at step 1.")


def test_after_the_last_reduction_it_stops_at_the_next_plateau() -> None:
    policy = make("reduce_on_plateau(2, max_reductions=2)")
    said = decisions_of(policy, validations_of([0.5] * 20))
    assert (said[-1].at_step, said[-1].reason) == (7, StopReason.PATIENCE)
    assert said[-1].message.startswith("Stop at step 7: 2 of 2 checks without improvement after reduction 2, the last")
    assert [one.patience_left for one in said] == [None, None, None, None, None, 1, 0]


def test_at_a_stop_of_another_it_reduces_all_the_same() -> None:
    """Whoever has the run go on goes on with what the policy remembers."""
    last = decisions_of(make("reduce_on_plateau(2) | patience(2)"), validations_of([0.5] * 5))[-1]
    assert (last.at_step, last.stop, last.rate_factor) == (3, True, 0.1)


def test_of_two_at_one_validation_the_first_counts() -> None:
    policy = make("reduce_on_plateau(2, factor=0.5) | reduce_on_plateau(2, factor=0.2)")
    last = decisions_of(policy, validations_of([0.5] * 3))[-1]
    assert last.rate_factor == 0.5


def test_a_validation_out_of_bounds_is_no_improvement() -> None:
    policy = make('require("m > 0", reduce_on_plateau(2))')
    validations = [Validation(step, 0.1 * step, metrics={"m": 1 if step == 1 else -1}) for step in (1, 2, 3)]
    assert decisions_of(policy, validations)[-1].rate_factor == 0.1


def test_in_the_shadow_it_only_says_so() -> None:
    said = decisions_of(make("shadow(reduce_on_plateau(1)) | patience(9)"), validations_of([0.5, 0.5]))[1]
    assert said.verdicts[0].message == "would set learning rate x0.1: 1 checks without improvement"
    assert (said.rate_factor, said.verdicts[0].rate_factor) == (None, None)


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("reduce_on_plateau()", True),
        ("patience(3) | reduce_on_plateau()", True),
        ('require("m > 0", reduce_on_plateau()) | patience(3)', True),
        ("shadow(reduce_on_plateau()) | patience(3)", False),
        ("patience(3)", False),
    ],
)
def test_what_changes_the_rate_is_known_beforehand(text: str, changes: bool) -> None:
    assert make(text).changes_rate is changes


def test_patience_begun_anew_waits_and_keeps_its_reductions() -> None:
    policy = make("reduce_on_plateau(2, max_reductions=1)")
    state = policy.start()
    for validation in validations_of([0.5] * 5):
        state, decision = policy.observe(state, validation)
    assert decision.stop
    state = policy.restart_patience(state, 5)
    decisions = []
    for step in (6, 7):
        state, decision = policy.observe(state, Validation(step, 0.5))
        decisions.append((decision.stop, decision.rate_factor))
    assert decisions == [(False, None), (True, None)]


@pytest.mark.parametrize(
    "text",
    [
        "reduce_on_plateau(0)",
        "reduce_on_plateau(factor=1)",
        "reduce_on_plateau(factor=0)",
        "reduce_on_plateau(cooldown=-1)",
        "reduce_on_plateau(max_reductions=0)",
        "patience(3) & reduce_on_plateau()",
    ],
)
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse(text)


def test_decisions_that_were_stored_before_still_load() -> None:
    plain = decisions_of(make("patience(2)"), validations_of([0.5]))[0].to_json()
    for said in (plain, *plain["verdicts"]):
        del said["rate_factor"], said["min_rate"]
    assert Decision.from_json(plain).reduction is None
