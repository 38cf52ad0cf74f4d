"""Patience against the noise of the same examples, pair by pair."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.errors import PolicyError
from keepbest.stopping import Correct, Decision, Mode, PairedNoise, Validation
from tests.support.watch import decisions_of

N = 40


def validation(step: int, right: int, wrong: int = 0, *, first: int = 20, mode: Mode = "max") -> Validation:
    """Of 40 examples the first 20 were right before: now `right` more of the others are, and `wrong` fewer of them."""
    flags = [i >= wrong for i in range(first)] + [i < right for i in range(N - first)]
    share = sum(flags) / N
    return Validation(step, share if mode == "max" else 1 - share, n=N, pairs=Correct.of(flags))


def judge(*validations: Validation, mode: Mode = "max", alpha: float = 0.05) -> list[Decision]:
    return decisions_of(PairedNoise(mode=mode, checks=2, alpha=alpha), validations)


@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize(
    ("right", "wrong", "alpha", "wait"),
    [(5, 0, 0.05, 0), (4, 0, 0.05, 1), (8, 2, 0.05, 1), (8, 2, 0.06, 0), (5, 0, 0.03125, 1), (0, 5, 0.05, 1)],
)
def test_a_gain_has_a_small_p(right: int, wrong: int, alpha: float, wait: int, mode: Mode) -> None:
    decisions = judge(validation(1, 0, mode=mode), validation(2, right, wrong, mode=mode), mode=mode, alpha=alpha)
    assert [decision.wait for decision in decisions] == [0, wait]
    assert f"{right} newly right, {wrong} newly wrong" in decisions[-1].message


def test_it_stops_and_the_raw_best_is_kept() -> None:
    last = judge(validation(1, 0), validation(2, 3), validation(3, 2))[-1]
    assert (last.stop, last.reason, last.at_step, last.best_step) == (True, "patience", 3, 2)


def test_small_gains_add_up_against_the_reference() -> None:
    assert [one.wait for one in judge(validation(1, 0), validation(2, 3), validation(3, 6))] == [0, 1, 0]


def test_a_worse_value_is_no_gain_whatever_the_pairs() -> None:
    worse = Validation(2, 0.1, n=N, pairs=validation(2, 9).pairs)
    assert judge(validation(1, 0), worse)[-1].wait == 1


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (validation(1, 0), Validation(2, 0.6, n=N), "unpaired: the validation says nothing"),
        (Validation(1, 0.5, n=N), validation(2, 4), "unpaired: the reference says nothing"),
        (validation(1, 0), Validation(2, 0.6, n=N, pairs=Correct.of([True] * 9)), "unpaired: 9 examples here, 40 in"),
    ],
)
def test_without_pairs_it_is_noise_aware_and_says_so(before: Validation, after: Validation, said: str) -> None:
    """The standard error is 0.079: 0.6 is a gain. Paired, 4 to 0 would be none."""
    last = judge(before, after)[-1]
    assert said in last.message
    assert last.wait == 0
    assert judge(before, Validation(2, 0.57, n=N, pairs=after.pairs))[-1].wait == 1


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 2**40))
def test_bits_survive_json_and_count_as_the_lists_do(flags: list[bool], seed: int) -> None:
    others = [bool(seed >> i & 1) for i in range(len(flags))]
    one, other = Correct.of(flags), Correct.of(np.array(others, float))
    assert Correct.from_json(json.loads(json.dumps(one.to_json()))) == one
    pairs = list(zip(flags, others, strict=True))
    assert one.count_gains(other) == (pairs.count((True, False)), pairs.count((False, True)))


@pytest.mark.parametrize("wrong", [[[True]], True, [0.7, 1.0], [float("nan")], ["yes"], "yes"])
def test_what_is_no_vector_of_bools_is_refused(wrong: object) -> None:
    with pytest.raises(PolicyError, match="vector of true or false"):
        Correct.of(wrong)
