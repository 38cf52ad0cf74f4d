"""The losses of the same examples, compared by the bootstrap of their mean."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from keepbest.errors import PolicyError
from keepbest.stopping import Correct, Decision, Losses, Mode, PairedNoise, Validation, bootstrap, read_pairs
from keepbest.stopping.bootstrap import RESAMPLES, bootstrap_quantile
from keepbest.stopping.losses import MAX_EXAMPLES
from tests.support.watch import decisions_of

NAN = float("nan")


def ramp(n: int, low: float, high: float) -> np.ndarray:
    return np.linspace(low, high, n)


# The bootstrap


def plain_bootstrap(values: np.ndarray, share: float) -> float:
    """The textbook's, with NumPy's own means."""
    draws = np.random.default_rng(7).integers(0, len(values), (20_000, len(values)))
    return float(np.quantile(values[draws].mean(axis=1), share))


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
@pytest.mark.parametrize(
    "values",
    [ramp(60, -0.5, 1.5), np.exp(ramp(101, -3, 3)), np.array([-1.0, 2.0, 2.0]), 1e-30 * ramp(60, -1, 2)],
    ids=["even", "skewed", "three", "tiny"],
)
def test_its_quantile_is_the_textbooks(values: np.ndarray, share: float) -> None:
    spread = values.std() / np.sqrt(len(values))
    assert bootstrap_quantile(values, share) == pytest.approx(plain_bootstrap(values, share), abs=0.17 * spread + 1e-40)


@pytest.mark.parametrize(
    ("n", "quantile"),
    [(3, 1 / 6), (10, 0.3444444444447072), (5000, 0.4932042008401597), (20_001, 0.49674310284485357)],
)
def test_its_figures_are_the_same_everywhere_and_always(n: int, quantile: float) -> None:
    """A NumPy that drew otherwise would give another verdict on the same validation."""
    assert bootstrap_quantile(ramp(n, 0, 1), 0.05) == pytest.approx(quantile, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("value", [0.0, 1e-300, -3.5, 2.0])
def test_of_equal_values_every_mean_is_that_value(value: float) -> None:
    assert bootstrap_quantile(np.full(7, value), 0.05) == pytest.approx(value, rel=1e-9)


def test_its_ends_are_the_lowest_and_the_highest_mean() -> None:
    means = [bootstrap_quantile(ramp(9, -1, 1), share) for share in (1e-9, 1 / RESAMPLES, 0.5, 1 - 1e-9)]
    assert means[0] == means[1] < means[2] < means[3]


def test_the_order_of_the_sums_does_not_matter() -> None:
    """Sums of floats would differ in their last bits, and with them a quantile of exactly 0 its sign."""
    values = np.array([0.1, 0.2, -0.3] * 50)
    assert bootstrap_quantile(values, 0.5) == -bootstrap_quantile(-values, 0.5 + 1 / RESAMPLES)


def test_five_thousand_examples_take_milliseconds() -> None:
    taken = []
    for high in range(5):  # other values each time: of the same ones it knows the sums
        began = time.process_time()
        bootstrap_quantile(ramp(5000, -1, 1 + high), 0.05)
        taken.append(time.process_time() - began)
    assert min(taken) < 0.2  # about 0.03 on an idle core


def test_what_was_drawn_before_is_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten policies replayed over one run would take ten times as long."""
    values, drawn = ramp(200, -1, 1.234), list[int]()
    resample = bootstrap._resample

    def draw(numbers: np.ndarray) -> np.ndarray:
        drawn.append(len(numbers))
        return np.asarray(resample(numbers))

    monkeypatch.setattr(bootstrap, "_resample", draw)
    monkeypatch.setattr(bootstrap, "_REMEMBERED", 2)
    low, high = (bootstrap_quantile(values, share) for share in (0.05, 0.95))
    assert low < bootstrap_quantile(2 * values, 0.5) / 2 < high
    assert bootstrap_quantile(4 * values, 0.05) == 4 * low
    assert len(drawn) == 1  # scaled by powers of two they are the same whole numbers
    for last in (2, 3, 4):
        bootstrap_quantile(ramp(200, -1, last), 0.05)
    assert bootstrap_quantile(values, 0.05) == low
    assert len(drawn) == 5


# The policy


def validation(step: int, losses: object, *, mode: Mode = "min") -> Validation:
    packed = Losses.of(losses)
    mean = float(np.mean(np.asarray(losses, float)))
    return Validation(step, mean, n=packed.n, pairs=packed)


def judge(*validations: Validation, mode: Mode = "min", alpha: float = 0.05) -> list[Decision]:
    return decisions_of(PairedNoise(mode=mode, checks=2, alpha=alpha), validations)


START = ramp(40, 0.5, 1.5)
#: A mean gain of 0.01 of 40 examples, whose standard error is nothing, 0.0091 and 0.0037.
EVEN, NOISY, LESS_NOISY = (START - 0.01 - noise * (-1.0) ** np.arange(40) for noise in (0, 0.0577, 0.0234))


@pytest.mark.parametrize(
    ("losses", "alpha", "wait"),
    [
        (EVEN, 0.05, 0),
        (NOISY, 0.05, 1),
        (NOISY, 0.2, 0),
        (LESS_NOISY, 0.05, 0),
        (LESS_NOISY, 0.001, 1),
        (START, 0.9, 1),
    ],
)
@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_gain_has_its_quantile_above_zero(losses: np.ndarray, alpha: float, wait: int, mode: Mode) -> None:
    sign = 1 if mode == "min" else -1  # a likelihood: higher is better
    decisions = judge(validation(1, sign * START), validation(2, sign * losses), mode=mode, alpha=alpha)
    assert [decision.wait for decision in decisions] == [0, wait]
    gain = "0.01" if losses is not START else "0"
    assert f"(mean gain {gain}, its {100 * alpha:g} % quantile " in decisions[-1].message


def test_worse_losses_are_no_gain_and_small_gains_add_up() -> None:
    steps = [START, START + 0.1, NOISY, NOISY - 0.01, START]
    decisions = decisions_of(PairedNoise(mode="min", checks=9), [validation(i, x) for i, x in enumerate(steps)])
    assert [one.wait for one in decisions] == [0, 1, 2, 0, 1]


def test_a_value_that_is_worse_is_no_gain_whatever_its_examples() -> None:
    """Penalties are in the value and not in the losses."""
    worse = Validation(2, 2.0, n=40, pairs=Losses.of(EVEN, "penalties left out"))
    last = judge(validation(1, START), worse)[-1]
    assert last.wait == 1
    assert "; penalties left out)" in last.message


@pytest.mark.parametrize("odd", [NAN, float("inf"), -float("inf"), 1e300])
def test_losses_that_are_not_finite_are_never_a_reference(odd: float) -> None:
    broken = Validation(1, 0.1, n=40, pairs=Losses.of([odd, *EVEN[1:]]))
    first, second, third = judge(broken, validation(2, START), Validation(3, 0.01, n=40, pairs=broken.pairs))
    assert [first.wait, second.wait, third.wait] == [1, 0, 1]
    assert "not every example's loss is finite" in third.message


def test_bits_and_losses_are_not_compared() -> None:
    bits = Validation(2, 0.1, n=40, pairs=Correct.of([True] * 40))
    assert "unpaired: one validation says which examples were right" in judge(validation(1, START), bits)[-1].message


def test_a_state_from_before_there_were_losses_goes_on() -> None:
    policy, right = PairedNoise(mode="max", checks=2), Correct.of([True, False])
    state, _ = policy.observe(policy.start(), Validation(1, 0.5, n=2, pairs=right))
    del state["memory"]["losses"]
    assert "1 newly right" in policy.observe(state, Validation(2, 1.0, n=2, pairs=Correct.of([True, True])))[1].message


def test_another_process_says_the_same() -> None:
    """Of a state that went through JSON, told the same validation, to the last letter."""
    policy = PairedNoise(mode="min", checks=9)
    state, _ = policy.observe(policy.start(), validation(1, START))
    _, decision = policy.observe(state, validation(2, LESS_NOISY))
    script = (
        "import json, sys, base64; from keepbest.stopping import PairedNoise, Validation, Losses\n"
        "state, value, data = json.load(sys.stdin)\n"
        "validation = Validation(2, value, n=40, pairs=Losses(base64.b64decode(data)))\n"
        "print(PairedNoise(mode='min', checks=9).observe(state, validation)[1].message)"
    )
    given = json.dumps([state, float(LESS_NOISY.mean()), Losses.of(LESS_NOISY).to_json()["float32"]])
    environment = {**os.environ, "PYTHONHASHSEED": "5"}
    run = subprocess.run([sys.executable, "-c", script], input=given, capture_output=True, text=True, env=environment)
    assert run.stdout.strip() == decision.message


# What is told


@pytest.mark.parametrize("losses", [[], 0.5, [[0.5]], ["0.5"], [None], [1j]])
def test_what_is_no_vector_of_numbers_is_refused(losses: object) -> None:
    with pytest.raises(PolicyError, match="the loss of each example"):
        Losses.of(losses)


def test_more_examples_than_a_state_should_hold_are_refused() -> None:
    kept = json.dumps(Losses.of(np.zeros(MAX_EXAMPLES)).to_json())
    assert len(kept) < 270_000
    with pytest.raises(PolicyError, match="holds the losses of 50,000 examples at most, but got 50,001"):
        Losses.of(np.zeros(MAX_EXAMPLES + 1))


def test_both_at_once_are_refused() -> None:
    with pytest.raises(PolicyError, match="but got both"):
        read_pairs([True], [0.5])
