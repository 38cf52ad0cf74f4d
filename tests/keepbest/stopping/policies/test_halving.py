"""Where a run pauses: at the first validation at or past a rung, once; and how that lies within other policies."""

from __future__ import annotations

import pytest

from keepbest.errors import InvalidInput
from keepbest.stopping import Decision, Policy, SuccessiveHalving, Validation, build, parse
from tests.support.watch import decisions_of, validations_of


def make(text: str) -> Policy:
    return build(parse(text), "max")


@pytest.mark.parametrize(
    ("text", "steps", "rungs"),
    [
        ("successive_halving(100, factor=3)", [100, 300, 900], {100: 1, 300: 2, 900: 3}),
        ("successive_halving(100)", [100, 200, 300, 400, 500], {100: 1, 400: 2}),
        ("successive_halving(100)", [99, 101, 399, 401], {101: 1, 401: 2}),
        ("successive_halving(100, factor=2)", [50, 450, 460, 800], {450: 3, 800: 4}),  # the highest of those passed
        ("successive_halving(1, factor=2)", [1, 2, 3, 4], {1: 1, 2: 2, 4: 3}),
        ("successive_halving(100)", [99], {}),
        ("patience(9) | successive_halving(100)", [100, 200], {100: 1}),
        # A stop wins, whoever says it: patience, or the last step at that very validation.
        ("patience(1) | successive_halving(200)", [100, 200], {}),
        ("max_steps(400) | successive_halving(100)", [100, 400], {100: 1}),
        # By the step alone, whatever is improvement there; and & stops nothing that waits for the other.
        ('require("m > 0", successive_halving(100))', [100], {100: 1}),
        ("(patience(1) | successive_halving(100)) & max_steps(500)", [100, 200], {100: 1}),
        ("shadow(successive_halving(100)) | patience(9)", [100, 400], {}),
    ],
)
def test_where_it_pauses(text: str, steps: list[int], rungs: dict[int, int]) -> None:
    said = decisions_of(make(text), [Validation(step, 0.5) for step in steps])
    assert {one.at_step: one.rung for one in said if one.rung is not None} == rungs


def test_what_it_says() -> None:
    said = decisions_of(make("patience(9) | successive_halving(2, factor=3)"), validations_of([0.5, 0.4, 0.6]))
    assert [one.verdicts[1].message for one in said] == [
        "rung 1 lies at step 2",
        "rung 1 at step 2: the best third go on",
        "rung 2 lies at step 6",
    ]
    assert said[1].message == (
        "Step 2: 0.4; 1 of 9 checks without improvement; best 0.5 at step 1. Rung 1 at step 2: the best third go on."
    )
    alone = decisions_of(make("successive_halving(1)"), validations_of([0.5]))[0]
    assert alone.message == "Step 1: 0.5 is the best so far; rung 1 at step 1: the best quarter go on."


def test_in_the_shadow_it_only_says_so() -> None:
    said = decisions_of(make("shadow(successive_halving(1, factor=5)) | patience(9)"), validations_of([0.5]))[0]
    assert said.verdicts[0].message == "would pause: rung 1 at step 1: the best 1/5 go on"
    assert (said.rung, said.verdicts[0].rung) == (None, None)


def test_a_validation_told_again_pauses_again_silence_never() -> None:
    policy = make("successive_halving(10)")
    state, silent = policy.observe(policy.start(), Validation(10))
    assert silent.rung is None
    state, first = policy.observe(state, Validation(11, 0.5))
    assert policy.observe(state, Validation(11, 0.5)) == (state, first)
    assert first.rung == 1
    state = policy.restart_patience(state, 11)
    assert policy.observe(state, Validation(12, 0.5))[1].rung is None


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("successive_halving(10)", 1),
        ("patience(3) | successive_halving(10)", 1),
        ('require("m > 0", successive_halving(10)) | successive_halving(9)', 2),
        ("shadow(successive_halving(10)) | patience(3)", 0),
        ("patience(3)", 0),
    ],
)
def test_what_pauses_is_known_beforehand(text: str, count: int) -> None:
    assert [type(rule) for rule in make(text).pausing] == [SuccessiveHalving] * count


@pytest.mark.parametrize(
    "text",
    [
        "successive_halving()",
        "successive_halving(0)",
        "successive_halving(10, factor=1)",
        "successive_halving(10) & patience(3)",
    ],
)
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse(text)


def test_decisions_that_were_stored_before_still_load() -> None:
    plain = decisions_of(make("patience(2)"), validations_of([0.5]))[0].to_json()
    for said in (plain, *plain["verdicts"]):
        del said["rung"]
    assert Decision.from_json(plain).rung is None
