from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.errors import InvalidInput
from keepbest.stopping.signs import BatchWatch, Breakage, read_signs

ALL = "non_finite | spike(z=5, window=10) | divergence(ratio=2, window=10)"


def first_breakage(text: str, losses: list[float]) -> Breakage | None:
    watch = BatchWatch(read_signs(text))
    seen = (watch.judge(step, loss) for step, loss in enumerate(losses, start=1))
    return next((breakage for breakage in seen if breakage is not None), None)


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_broken_at_its_batch(loss: float) -> None:
    seen = first_breakage("non_finite", [1.0, 2.0, loss, 1.0])

    assert seen is not None
    assert (seen.step, seen.since) == (3, 3)


def test_a_spike_is_judged_by_median_and_mad_of_the_window() -> None:
    losses = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9]  # median 1.45, MAD 0.25, deviation 0.37065
    limit = 1.45 + 5 * 1.4826 * 0.25

    assert first_breakage("spike(z=5, window=10)", [*losses, limit - 0.001]) is None
    assert first_breakage("spike(z=5, window=10)", [*losses, limit + 0.001]) == Breakage(
        11, 11, "the loss of the batch is 3.30425, 5 robust deviations above 1.45"
    )


def test_a_spike_needs_a_full_window_and_is_no_low_loss() -> None:
    assert first_breakage("spike(z=5, window=10)", [1.0] * 9 + [100.0]) is None
    assert first_breakage("spike(z=5, window=10)", [1.0] * 10 + [-100.0]) is None
    assert first_breakage("spike(z=5, window=10)", [1.0] * 10 + [1.004]) is None  # the spread is at least 0.001
    assert first_breakage("spike(z=5, window=10)", [1.0] * 10 + [math.nan]) is not None


def test_a_divergence_began_where_its_window_begins() -> None:
    seen = first_breakage("divergence(ratio=2, window=10)", [1.0] * 20 + [3.0] * 20)

    assert seen is not None
    assert (seen.step, seen.since) == (26, 17)  # the sixth high loss makes the median 3
    assert seen.what == "the median loss is 3, 3 times the lowest before"


def test_a_divergence_says_nothing_of_losses_below_zero() -> None:
    assert first_breakage("divergence(ratio=2, window=10)", [-3.0] * 20 + [5.0] * 20) is None


@given(st.lists(st.one_of(st.floats(0, 3), st.sampled_from([math.nan, 50.0])), max_size=60), st.integers(0, 60))
def test_the_memory_is_json_and_goes_on_in_another_process(losses: list[float], cut: int) -> None:
    one, other = BatchWatch(read_signs(ALL)), BatchWatch(read_signs(ALL))
    for step, loss in enumerate(losses[:cut]):
        one.judge(step, loss)
    other.go_on_from(json.loads(json.dumps(one.state(), allow_nan=False)))

    rest = list(enumerate(losses[cut:], start=cut))
    assert [other.judge(*pair) for pair in rest] == [one.judge(*pair) for pair in rest]


def test_the_memory_of_other_signs_begins_anew() -> None:
    watch = BatchWatch(read_signs("spike(z=5, window=10)"))
    watch.go_on_from(BatchWatch(read_signs(ALL)).state())

    assert watch.state() == [[]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("spik(z=3)", "There is no sign 'spik'; there are non_finite, spike, divergence."),
        ("", "There is no sign ''; there are non_finite, spike, divergence."),
        ("spike(y=3)", "spike takes z, window, each a number, but got 'y=3'."),
        ("spike(z=3, z=4)", "spike takes z, window, each a number, but got 'z=4'."),
        ("spike(z=-3)", "spike: z must be above 0, but got -3.0."),
        ("non_finite(3)", "non_finite takes nothing, each a number, but got '3'."),
        ("spike(window=2.5)", "spike: window must be a whole number, but got 2.5."),
    ],
)
def test_signs_that_cannot_be_read_are_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_signs(text)

    assert (refused.value.message, refused.value.field) == (message, "on")


def test_a_first_argument_needs_no_name() -> None:
    signs: Any = read_signs("non_finite | spike(7, window=20)")

    assert (signs[1].z, signs[1].window) == (7.0, 20)
