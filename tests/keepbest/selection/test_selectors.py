"""Selectors over tables of validations, with averages that are computed by hand, and what holds of all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.errors import InvalidInput
from keepbest.selection.candidates import Candidate, SelectorOutcome, rank
from keepbest.selection.selectors import SELECTORS, build
from keepbest.stopping import Mode
from tests.support.seed_record import VALIDATIONS

Averages = dict[str, float | None]
N = 100


def validations(*values: float, n: int | None = N) -> list[Candidate]:
    """Looks at steps 1, 2, 3 …; the id is the step."""
    return [Candidate(str(step), step, value, n) for step, value in enumerate(values, 1)]


def select(
    name: str,
    found: list[Candidate],
    mode: Mode = "max",
    averages: dict[str, float | None] | None = None,
    **params: Any,
) -> SelectorOutcome | None:
    """Select where the average of steps 1 and 2 is `averages["1 2"]`; one that is not named is never made."""

    def measure(made_of: Sequence[Candidate]) -> float | None:
        return (averages or {})[" ".join(one.id for one in made_of)]

    return build({"name": name, "params": params}).select(found, mode, measure)


def steps(outcome: SelectorOutcome | None) -> list[int]:
    return [one.step for one in outcome.made_of] if outcome else []


@pytest.mark.parametrize("name", SELECTORS)
def test_nothing_is_selected_of_nothing(name: str) -> None:
    assert select(name, []) is None
    assert select(name, validations(math.nan, math.inf)) is None


@pytest.mark.parametrize("name", SELECTORS)
def test_of_one_validation_it_is_that(name: str) -> None:
    chosen = select(name, validations(0.5))
    assert (steps(chosen), chosen and chosen.value, chosen and chosen.trials) == ([1], 0.5, ())


@pytest.mark.parametrize(
    ("values", "mode", "n", "params", "step"),
    [
        # SE(0.9) = sqrt(0.09 / 100) = 0.03: the limit is 0.87
        ((0.8, 0.87, 0.88, 0.9), "max", N, {}, 2),
        ((0.8, 0.869, 0.88, 0.9), "max", N, {}, 3),
        ((0.8, 0.869, 0.88, 0.9), "max", N, {"z": 2}, 2),  # 0.84
        ((0.8, 0.87, 0.88, 0.9), "max", N, {"z": 0}, 4),
        ((0.2, 0.13, 0.12, 0.1), "min", N, {}, 2),
        ((80.0, 87.0, 88.0, 90.0), "max", N, {"scale": 100}, 2),
        ((0.8, 0.87, 0.88, 0.9), "max", None, {}, 4),
        ((2.0, 1.5, 1.4), "min", N, {}, 3),  # a loss is no share
        ((0.9, 0.95, 1.0), "max", N, {}, 3),  # SE(1) = 0
    ],
)
def test_the_earliest_within_one_standard_error(
    values: tuple[float, ...], mode: Mode, n: int | None, params: dict[str, Any], step: int
) -> None:
    assert steps(select("one_standard_error", validations(*values, n=n), mode, **params)) == [step]


@pytest.mark.parametrize(("z", "step"), [(1, 4800), (4, 2500)])
def test_on_the_tutorials_record(z: float, step: int) -> None:
    """SE(98.8 %) of 5,000 images is 0.154 points: 98.646 is reached at 4800 for the first time, 98.184 at 2500."""
    found = [
        Candidate(str(validation.step), validation.step, float(validation.value or 0), 5000)
        for validation in VALIDATIONS
    ]
    assert steps(select("one_standard_error", found, scale=100, z=z)) == [step]


def test_it_says_why_the_best_stays() -> None:
    unknown, loss = (
        select("one_standard_error", validations(0.5, n=None)),
        select("one_standard_error", validations(7.0)),
    )
    assert unknown is not None
    assert loss is not None
    assert "number of validation examples is not known" in unknown.message
    assert "7 is no share of 1" in loss.message


def test_the_average_of_the_best_is_kept_where_it_is_as_good() -> None:
    found = validations(0.7, 0.9, 0.8, 0.85)
    better = select("top_k_average", found, averages={"2 4 3": 0.91})
    assert better is not None
    assert (steps(better), better.value, better.is_average) == ([2, 4, 3], 0.91, True)
    assert [(trial.value, trial.is_kept) for trial in better.trials] == [(0.91, True)]
    assert steps(select("top_k_average", found, averages={"2 4 3": 0.9})) == [2, 4, 3]
    assert steps(select("top_k_average", found, k=2, averages={"2 4": 0.95})) == [2, 4]


@pytest.mark.parametrize("value", [0.89, math.nan, None])
def test_otherwise_the_best_stays_and_its_validation_is_told(value: float | None) -> None:
    worse = select("top_k_average", validations(0.7, 0.9, 0.8, 0.85), averages={"2 4 3": value})
    assert worse is not None
    assert (steps(worse), worse.value, len(worse.trials), worse.trials[0].is_kept) == ([2], 0.9, 1, False)


def test_a_greedy_soup_takes_what_does_not_make_it_worse() -> None:
    """The order is 0.9, 0.85, 0.8, 0.7: step 3 would make it worse, step 1 ties and is taken."""
    averages: Averages = {"2 4": 0.92, "2 4 3": 0.91, "2 4 1": 0.92}
    soup = select("greedy_soup", validations(0.7, 0.9, 0.8, 0.85), averages=averages)
    assert soup is not None
    assert (steps(soup), soup.value) == ([2, 4, 1], 0.92)
    assert [trial.is_kept for trial in soup.trials] == [True, False, True]
    assert [[one.step for one in trial.made_of] for trial in soup.trials] == [[2, 4], [2, 4, 3], [2, 4, 1]]


def test_a_soup_of_points_around_the_minimum_finds_it() -> None:
    """Weights w with the loss w^2: from -1, 2, -4 the soup takes what pulls it to 0."""
    weights = {"1": -1.0, "2": 2.0, "3": -4.0}
    found = [Candidate(id, int(id), weight**2) for id, weight in weights.items()]

    def measure(made_of: Sequence[Candidate]) -> float:
        return (sum(weights[one.id] for one in made_of) / len(made_of)) ** 2

    soup = build({"name": "greedy_soup"}).select(found, "min", measure)
    assert soup is not None
    assert (steps(soup), soup.value) == ([1, 2], 0.25)  # with -4 it would be 1


def test_an_ema_selects_the_best_of_its_validations() -> None:
    ema = build({"name": "ema", "params": {"momentum": 0.99}})
    assert (ema.measures_averages, ema.is_usual) == (True, False)
    assert [build({"name": name}).measures_averages for name in SELECTORS].count(True) == 1
    chosen = select("ema", validations(0.8, 0.9, 0.9))
    assert (steps(chosen), chosen and chosen.value, chosen and chosen.trials) == ([2], 0.9, ())
    assert chosen is not None
    assert "averaged weights" in chosen.message


@pytest.mark.parametrize("momentum", [-0.1, 1, 1.5, math.nan])
def test_a_momentum_is_from_0_up_to_but_not_1(momentum: float) -> None:
    with pytest.raises(InvalidInput) as caught:
        build({"name": "ema", "params": {"momentum": momentum}})
    assert caught.value.field == "selector.params.momentum"
    assert build({"name": "ema"}).to_json()["params"] == {"momentum": 0.999}


@pytest.mark.parametrize(
    ("name", "kept"), [("best", [4]), ("ema", [4]), ("one_standard_error", [2, 3, 4]), ("top_k_average", [2, 3, 4])]
)
def test_what_may_yet_be_selected_stays(name: str, kept: list[int]) -> None:
    found = build({"name": name}).find_eligible(validations(0.8, 0.87, 0.88, 0.9), "max")
    assert sorted(one.step for one in found) == kept


@pytest.mark.parametrize(("value", "is_wanted"), [(0.86, False), (0.87, False), (0.875, True), (math.nan, False)])
def test_a_validation_among_the_best_k_is_wanted(value: float, is_wanted: bool) -> None:
    known = validations(0.8, 0.87, 0.88, 0.9)
    assert build({"name": "top_k_average"}).wants(Candidate("", 5, value, N), known, "max") is is_wanted
    assert not build({"name": "one_standard_error"}).wants(Candidate("", 5, value, N), known, "max")


VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)
MODES = st.sampled_from(["min", "max"])


@given(VALUES, MODES, st.sampled_from(sorted(SELECTORS)), st.randoms(use_true_random=False))
def test_what_an_average_gives_is_never_worse_than_the_best(
    values: list[float], mode: Mode, name: str, chance: Any
) -> None:
    found = validations(*values)
    chosen = build({"name": name}).select(found, mode, lambda made_of: chance.random())
    best = rank(found, mode)[0]
    assert chosen is not None
    if name != "one_standard_error":
        assert chosen.value >= best.value if mode == "max" else chosen.value <= best.value
    assert chosen.made_of[0] == best or name == "one_standard_error"
    assert all(one in found for one in chosen.made_of)


@given(VALUES, MODES, st.floats(0, 5))
def test_the_choice_is_within_errors_and_was_the_best_once(values: list[float], mode: Mode, z: float) -> None:
    found = validations(*values)
    chosen = select("one_standard_error", found, mode, z=z)
    assert chosen is not None
    first = chosen.made_of[0]
    assert first.step <= rank(found, mode)[0].step
    before = [one.value for one in found[: first.step - 1]]
    assert all(value < first.value if mode == "max" else value > first.value for value in before)


@pytest.mark.parametrize(
    ("spec", "field", "said"),
    [
        ({"name": "gredy_soup"}, "selector.name", "Did you mean 'greedy_soup'?"),
        ({"name": "greedy_soup", "params": {"n": 3}}, "selector.params.n", "Known: k."),
        ({"name": "greedy_soup", "params": {"k": 1}}, "selector.params.k", "at least 2"),
        ({"name": "top_k_average", "params": {"k": 101}}, "selector.params.k", "at most 100"),
        ({"name": "one_standard_error", "params": {"z": -1}}, "selector.params.z", "at least 0"),
        ({"name": None}, "selector.name", "There is no selector None"),
    ],
)
def test_what_is_wrong_is_refused(spec: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        build(spec)
    assert caught.value.field == field
    assert said in f"{caught.value.message} {caught.value.hint}"
