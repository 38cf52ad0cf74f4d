"""ASHA's promotions, on tables of numbers and against the algorithm as the paper writes it."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.stopping import Mode
from keepbest.stopping.rungs import Contender, find_leader, find_promotable, rank


def waiting(number: int, *values: float | None) -> Contender:
    """One that pauses at the last of these rungs."""
    return Contender(number=number, values=dict(enumerate(values, 1)), best=values[-1], waits=True)


def ended(number: int, best: float | None, *values: float) -> Contender:
    return Contender(number=number, values=dict(enumerate(values, 1)), best=best, has_ended=True)


def training(number: int, *values: float) -> Contender:
    return Contender(number=number, values=dict(enumerate(values, 1)), best=max(values, default=None))


def promotable(contenders: list[Contender], factor: int = 2, mode: Mode = "max") -> list[int]:
    return [one.number for one in find_promotable(contenders, factor, mode)]


TABLE: list[tuple[list[Contender], dict[str, Any], list[int]]] = [
    ([], {}, []),
    ([training(1)], {}, []),
    ([waiting(1, 0.9)], {}, []),
    ([waiting(1, 0.9), waiting(2, 0.8)], {}, [1]),
    ([waiting(1, 0.9), waiting(2, 0.8)], {"mode": "min"}, [2]),
    ([waiting(1, 0.9), waiting(2, 0.8)], {"factor": 3}, []),
    ([waiting(1, 0.5), waiting(2, 0.5)], {}, [1]),  # of equals the earlier
    ([waiting(1, None), waiting(2, 0.1)], {}, [2]),
    ([waiting(1, math.nan), waiting(2, -math.inf)], {}, [1]),  # neither is a number; both count
    # One that was promoted and trains keeps its place; one that is better than it goes on too.
    ([training(1, 0.9), waiting(2, 0.8)], {}, []),
    ([training(1, 0.7), waiting(2, 0.8)], {}, [2]),
    # Higher rungs first.
    ([waiting(1, 0.6, 0.7), waiting(2, 0.7, 0.8), waiting(3, 0.9), waiting(4, 0.1)], {}, [2, 3]),
    # A run that ended by itself takes a place at every rung, and needs none.
    ([ended(1, 0.9), waiting(2, 0.8)], {}, []),
    ([ended(1, 0.7), waiting(2, 0.8)], {}, [2]),
    ([ended(1, 0.9, 0.2), waiting(2, 0.8)], {}, [2]),  # at the rung it was worse
    ([ended(1, 0.9, 0.2), waiting(2, 0.8, 0.85)], {}, []),  # later on it was better
    # One that failed or was cancelled after its pause counts there.
    ([Contender(number=1, values={1: 0.1}), waiting(2, 0.8)], {}, [2]),
    ([Contender(number=1), waiting(2, 0.8)], {}, []),
    # Several rungs passed at one validation: it came to each with that value.
    ([Contender(number=1, values={3: 0.5}, best=0.5, waits=True), waiting(2, 0.4), waiting(3, 0.3)], {}, []),
    ([Contender(number=1, values={3: 0.35}, best=0.35, waits=True), waiting(2, 0.4), waiting(3, 0.3)], {}, [2]),
]


@pytest.mark.parametrize(("contenders", "how", "numbers"), TABLE)
def test_what_goes_on(contenders: list[Contender], how: dict[str, Any], numbers: list[int]) -> None:
    assert promotable(contenders, **how) == numbers


@pytest.mark.parametrize(
    ("contenders", "number"),
    [
        ([], None),
        ([waiting(1, 0.9, 0.9), waiting(2, 0.8)], 1),
        ([waiting(1, 0.9, 0.95), waiting(2, 0.8, 0.99)], 2),
        ([ended(1, 0.99), waiting(2, 0.8)], None),
        ([ended(1, 0.8), waiting(2, 0.8)], None),
        ([ended(1, 0.3), waiting(2, 0.8)], 2),  # a bad run that ended early is no end for the best
        ([waiting(1, None), ended(2, None)], None),
        ([Contender(number=1, values={1: 0.9}, best=0.9), waiting(2, 0.8)], 2),  # the best of all failed
    ],
)
def test_the_best_is_trained_to_its_end(contenders: list[Contender], number: int | None) -> None:
    found = find_leader(contenders, "max")
    assert (found and found.number) == number


@st.composite
def fields(draw: st.DrawFn) -> list[Contender]:
    values = st.one_of(st.none(), st.sampled_from([0.1, 0.2, 0.3, math.nan]), st.floats(0, 1))
    found = []
    for number in range(1, draw(st.integers(0, 14)) + 1):
        at = dict(enumerate(draw(st.lists(values, max_size=3)), 1))
        kind = draw(st.sampled_from(["waits", "ended", "trains"]))
        marks = {"waits": kind == "waits" and bool(at), "has_ended": kind == "ended"}
        found.append(Contender(number=number, values=at, best=draw(values), **marks))
    return found


@given(fields(), st.integers(2, 5), st.sampled_from(["max", "min"]), st.randoms())
def test_laws(contenders: list[Contender], factor: int, mode: Mode, chance: random.Random) -> None:
    chosen = find_promotable(contenders, factor, mode)
    for rung in {one.top for one in chosen}:
        ranked = rank(contenders, rung, mode)
        going = [one for one in chosen if one.top == rung]
        assert len(going) <= len(ranked) // factor
        assert all(one.waits and one in ranked[: len(ranked) // factor] for one in going)
    shuffled = chance.sample(contenders, len(contenders))
    assert find_promotable(shuffled, factor, mode) == chosen
    assert find_leader(shuffled, mode) == find_leader(contenders, mode)
    going_on = [replace(one, waits=False) if one in chosen else one for one in contenders]
    assert find_promotable(going_on, factor, mode) == []


@given(st.lists(st.floats(0, 1), max_size=30, unique=True), st.integers(2, 5))
def test_once_all_are_there_the_best_share_goes_on(values: list[float], factor: int) -> None:
    chosen = find_promotable([waiting(number, value) for number, value in enumerate(values)], factor, "max")
    assert [one.best for one in chosen] == sorted(values, reverse=True)[: len(values) // factor]


class Paper:
    """Algorithm 2 of the paper, written down as it stands there: a job is a run and the rung that it is trained to."""

    def __init__(self, values: dict[int, list[float]], factor: int) -> None:
        self.values, self.factor = values, factor
        self.rungs: defaultdict[int, dict[int, float]] = defaultdict(dict)
        self.promoted: defaultdict[int, set[int]] = defaultdict(set)
        self.fresh = iter(values)

    def get_job(self) -> tuple[int, int] | None:
        for rung in range(max(self.rungs, default=0), 0, -1):
            there = self.rungs[rung]
            candidates = sorted(there, key=lambda run: there[run], reverse=True)[: len(there) // self.factor]
            for run in candidates:
                if run not in self.promoted[rung]:
                    self.promoted[rung].add(run)
                    return run, rung + 1
        new = next(self.fresh, None)
        return None if new is None else (new, 1)


class Ours:
    """The same jobs by the rule here; it keeps contenders only."""

    def __init__(self, values: dict[int, list[float]], factor: int) -> None:
        self.factor, self.fresh = factor, iter(values)
        self.runs: dict[int, Contender] = {}

    def get_job(self) -> tuple[int, int] | None:
        for one in find_promotable(list(self.runs.values()), self.factor, "max")[:1]:
            self.runs[one.number] = replace(one, waits=False)
            return one.number, one.top + 1
        run = next(self.fresh, None)
        return None if run is None else (run, 1)


@given(st.data(), st.integers(2, 4), st.integers(1, 4))
def test_it_gives_the_jobs_of_the_paper(data: st.DataObject, factor: int, workers: int) -> None:
    """Workers end their jobs in any order; with four rungs, at the last of which a run is done."""
    count = data.draw(st.integers(1, 20))
    chance = data.draw(st.randoms(use_true_random=False))
    order = chance.sample(range(4 * count), 4 * count)  # no two values are the same
    values = {run: sorted(float(one) for one in order[4 * run : 4 * run + 4]) for run in range(count)}
    paper, ours = Paper(values, factor), Ours(values, factor)
    jobs: list[tuple[int, int]] = []
    while True:
        while len(jobs) < workers and (job := paper.get_job()) is not None:
            assert ours.get_job() == job
            jobs.append(job)
        if not jobs:
            break
        run, rung = jobs.pop(chance.randrange(len(jobs)))
        value = values[run][rung - 1]
        paper.rungs[rung][run] = value
        known = ours.runs.get(run, Contender(number=run)).values
        ours.runs[run] = Contender(number=run, values={**known, rung: value}, best=value, waits=rung < 4)
        paper.promoted[rung] |= {run} if rung == 4 else set()
    assert ours.get_job() is None
