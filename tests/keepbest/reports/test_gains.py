"""The last improvement in examples and in standard errors."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from keepbest.contract.policies import StopperDecision
from keepbest.contract.validations import RecordedValidation
from keepbest.reports.curve import draw_tries, draw_validations
from keepbest.reports.gains import find_last_gain


def validations(*values: float, n: int | None = 100, ghosts: tuple[int, ...] = ()) -> list[RecordedValidation]:
    """Looks at steps 1, 2, …"""
    decision, at = StopperDecision(stop=False, improved=False), datetime(2026, 1, 1, tzinfo=UTC)
    return [
        RecordedValidation(
            seq=step, segment=0, step=step, value=value, n=n, decision=decision, ghost=step in ghosts, at=at
        )
        for step, value in enumerate(values, start=1)
    ]


def test_the_last_gain() -> None:
    gain = find_last_gain(validations(0.5, 0.8, 0.7, 0.82), "max")
    assert gain is not None
    assert (gain.step, gain.before, gain.value) == (4, 0.8, 0.82)
    assert gain.examples == pytest.approx(2)
    assert gain.errors == pytest.approx(0.5)
    assert gain.is_noise


def test_a_gain_that_is_none_of_chance() -> None:
    gain = find_last_gain(validations(0.5, 0.8), "max")
    assert gain is not None
    assert gain.errors == pytest.approx(6)
    assert not gain.is_noise


@pytest.mark.parametrize(("values", "n"), [((3.5, 3.6), 100), ((0.5, 0.6), None), ((0.0, 0.5), 100)])
def test_what_is_no_share_of_examples_has_no_errors(values: tuple[float, ...], n: int | None) -> None:
    gain = find_last_gain(validations(*values, n=n), "max")
    assert gain is not None
    assert (gain.examples, gain.errors, gain.is_noise) == (None, None, False)


def test_one_validation_or_a_ghost_is_no_gain() -> None:
    assert find_last_gain(validations(0.5), "max") is None
    assert find_last_gain(validations(0.5, 0.9, ghosts=(2,)), "max") is None
    assert find_last_gain(validations(0.5, 0.9), "min") is None


def test_the_picture_marks_the_best_and_the_end() -> None:
    drawn = draw_validations(validations(0.5, 0.8, 0.7, ghosts=(3,)), "val<accuracy>", best_step=2, stop_step=3)
    assert drawn.count("<polyline") == 2
    assert drawn.count("<circle") == drawn.count("stroke-dasharray") == 1
    assert "val&lt;accuracy&gt; over steps" in drawn
    assert draw_validations([], "x", None, None) == ""


def test_the_line_of_a_sweep_is_the_best_so_far() -> None:
    svg = draw_tries({1: 0.0, 2: 1.0, 3: 0.5, 4: float("nan")}, "<b>", "max")
    corners = re.findall(r"[\d.]+,([\d.]+)", svg.partition("points=")[2].partition("fill")[0])
    low, high = corners[0], corners[3]
    assert corners == [low, low, low, high, high, high]
    assert float(high) < float(low)  # upwards in the picture
    assert "&lt;b&gt; of each run" in svg
    assert draw_tries({}, "loss", "min") == ""


def test_a_withdrawn_or_refused_validation_is_no_gain() -> None:
    seen = validations(0.5, 0.8, 0.9, 0.95)
    refused = seen[3].decision.model_copy(update={"is_admitted": False})
    seen[2:] = [seen[2].model_copy(update={"is_withdrawn": True}), seen[3].model_copy(update={"decision": refused})]
    gain = find_last_gain(seen, "max")
    assert gain is not None
    assert (gain.step, gain.value) == (2, 0.8)
