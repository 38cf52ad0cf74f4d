"""What a policy would have done with a recorded run."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.status import StopReason
from keepbest.stopping import (
    CheckFinite,
    Correct,
    MaxSeconds,
    MaxSteps,
    NoiseAware,
    PairedNoise,
    Patience,
    Policy,
    ProgressQuotient,
    StoppingThreshold,
    Unpaired,
    Validation,
    build,
    parse,
)
from keepbest.stopping.replay import RecordedRun, Status, replay
from tests.keepbest.stopping.test_laws import policies, records
from tests.support.seed_record import VALIDATIONS

#: The tutorial's run as its own loop left it: stopped at 5801 with ten seconds a hundred steps.
SEED = RecordedRun(
    validations=[
        replace(validation, value=round((validation.value or 0) / 100, 3), seconds=validation.step / 10)
        for validation in VALIDATIONS
    ],
    mode="max",
    end_step=5801,
    budget=10_000,
    checkpoints=frozenset({2500, 4800, 5800}),
)


@pytest.mark.parametrize(
    ("patience", "stop", "best", "value", "saved", "images"),
    [
        (200, 2101, 1900, 0.981, 3700, 35),
        (300, 2201, 1900, 0.981, 3600, 35),
        (500, 2401, 1900, 0.981, 3400, 35),
        (600, 3101, 2500, 0.982, 2700, 30),
        (700, 5501, 4800, 0.988, 300, 0),
        (800, 5601, 4800, 0.988, 200, 0),
        (900, 5701, 4800, 0.988, 100, 0),
        (1000, 5801, 4800, 0.988, 0, 0),
    ],
)
def test_the_tutorials_exercise_is_1000_enough(
    patience: int, stop: int, best: int, value: float, saved: int, images: int
) -> None:
    found = replay(Patience(mode="max", steps=patience), SEED)
    assert (found.status, found.reason) == (Status.STOPPED, StopReason.PATIENCE)
    assert (found.stop_step, found.best_step, found.best_value) == (stop, best, value)
    assert (found.steps_saved, found.examples_lost) == (saved, images)
    assert found.value_lost == pytest.approx(images / 5000)
    assert found.keeps_best == (images == 0)


def test_what_goes_on_past_the_record_is_censored() -> None:
    found = replay(Patience(mode="max", steps=1001), SEED)
    assert (found.status, found.stop_step, found.steps_saved, found.value_lost) == (Status.CENSORED, None, None, None)
    assert (found.best_step, found.has_checkpoint) == (4800, True)


def test_a_budget_that_the_run_used_up_ends_every_policy() -> None:
    found = replay(Patience(mode="max", checks=500), replace(SEED, budget=5801))
    assert (found.status, found.stop_step, found.reason) == (Status.STOPPED, 5801, StopReason.MAX_STEPS)
    assert (found.steps_saved, found.value_lost) == (0, 0.0)


@pytest.mark.parametrize(
    ("patience", "has", "nearest"), [(200, False, 2500), (600, True, 2500), (1000, True, 4800), (5000, True, 4800)]
)
def test_whether_its_checkpoint_can_be_restored(patience: int, has: bool, nearest: int) -> None:
    found = replay(Patience(mode="max", steps=patience), SEED)
    assert (found.has_checkpoint, found.nearest_checkpoint) == (has, nearest)


def test_where_checkpoints_are_not_known_or_all_gone() -> None:
    policy = Patience(mode="max", steps=600)
    assert replay(policy, replace(SEED, checkpoints=None)).has_checkpoint is None
    gone = replay(policy, replace(SEED, checkpoints=frozenset()))
    assert (gone.has_checkpoint, gone.nearest_checkpoint) == (False, None)


def test_seconds_between_validations_are_on_a_straight_line() -> None:
    assert SEED.find_seconds(2150) == 215.0
    assert SEED.find_seconds(50) == 5.0
    assert SEED.find_seconds(9999) == 580.0
    assert replay(Patience(mode="max", steps=600), SEED).seconds_saved == pytest.approx(580.0 - 310.1)
    without = replace(SEED, validations=[replace(validation, seconds=None) for validation in SEED.validations])
    assert replay(Patience(mode="max", steps=600), without).seconds_saved is None


@pytest.mark.parametrize(
    ("policy", "lacks"),
    [
        (ProgressQuotient(mode="max"), "the training loss"),
        (NoiseAware(mode="max"), "the number of examples"),
        (PairedNoise(mode="max"), "what each example did"),
        (MaxSeconds(mode="max", seconds=9), "the training time"),
    ],
)
def test_what_was_not_recorded_makes_it_inconclusive(policy: Policy, lacks: str) -> None:
    bare = replace(SEED, validations=[Validation(validation.step, validation.value) for validation in SEED.validations])
    found = replay(policy, bare)
    assert (found.status, lacks in found.message) == (Status.INCONCLUSIVE, True)


GAINS = [
    Validation(step, 0.5 + step / 40, n=40, pairs=Correct.of([i < 20 + step for i in range(40)])) for step in range(9)
]


def test_validations_that_say_what_each_example_did_are_compared() -> None:
    """Five examples newly right are a gain, four are none."""
    found = replay(PairedNoise(mode="max", checks=5), RecordedRun(validations=GAINS, mode="max"))
    assert (found.status, "by step 8" in found.message) == (Status.CENSORED, True)
    found = replay(PairedNoise(mode="max", checks=4), RecordedRun(validations=GAINS, mode="max"))
    assert (found.status, found.stop_step) == (Status.STOPPED, 4)
    assert "4 newly right, 0 newly wrong" in found.message


def test_only_a_validation_recorded_as_unpaired_is_conclusive() -> None:
    unpaired = replace(GAINS[2], pairs=Unpaired("the examples have weights"))
    policy = PairedNoise(mode="max", checks=2)
    found = replay(policy, RecordedRun(validations=[*GAINS[:2], unpaired], mode="max"))
    assert (found.status, "unpaired: the examples have weights" in found.message) == (Status.STOPPED, True)
    lost = replace(GAINS[2], pairs=None)
    assert replay(policy, RecordedRun(validations=[*GAINS[:2], lost], mode="max")).status is Status.INCONCLUSIVE
    assert replay(policy, RecordedRun(validations=[*GAINS[:3], lost], mode="max")).stop_step == 2


def test_what_is_missing_after_the_stop_does_not_matter() -> None:
    late = [replace(validation, n=None if validation.step > 2900 else validation.n) for validation in SEED.validations]
    assert replay(NoiseAware(mode="max"), replace(SEED, validations=late)).stop_step == 2900


@pytest.mark.parametrize("validations", [[], [Validation(100)]])
def test_a_run_without_validations_says_nothing(validations: list[Validation]) -> None:
    assert replay(Patience(mode="max"), RecordedRun(validations=validations, mode="max")).status is Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("values", "n", "share"),
    [
        ([0.5, 0.25], 4, True),
        ([0.5, math.nan], 4, True),
        ([0.5, 0.3], 4, False),
        ([0.5, 1.25], 4, False),
        ([0.5], None, False),
        ([0.9833333492279053], 360, True),  # 354 of 360, as float32 has it
    ],
)
def test_examples_are_counted_only_of_shares(values: list[float], n: int | None, share: bool) -> None:
    validations = [Validation(i, value, n=n) for i, value in enumerate(values, start=1)]
    assert RecordedRun(validations=validations, mode="max").is_share is share


def test_a_loss_has_no_examples() -> None:
    losses = RecordedRun(
        validations=[Validation(1, 0.7123, n=10), Validation(2, 0.8, n=10), Validation(3, 0.4321, n=10)], mode="min"
    )
    found = replay(Patience(mode="min", checks=1), losses)
    assert found.value_lost == pytest.approx(0.2802)
    assert (found.examples_lost, found.standard_errors_lost) == (None, None)


def test_nothing_kept_of_a_run_that_had_something() -> None:
    record = RecordedRun(validations=[Validation(1, math.nan), Validation(2, 0.5)], mode="max")
    found = replay(CheckFinite(mode="max"), record)
    assert (found.stop_step, found.best_step, found.value_lost, found.keeps_best) == (1, None, None, False)


def test_lost_in_standard_errors() -> None:
    found = replay(StoppingThreshold(mode="max", threshold=0.984), SEED)
    assert (found.stop_step, found.examples_lost) == (3600, 15)
    assert found.standard_errors_lost == pytest.approx(0.003 / 0.00153987, rel=1e-4)


def test_silence_after_the_last_validation_counts() -> None:
    record = RecordedRun(validations=[Validation(100, 0.5)], mode="max", end_step=150)
    assert replay(MaxSteps(mode="max", steps=140), record).stop_step == 140
    assert replay(MaxSteps(mode="max", steps=160), record).status is Status.CENSORED


@given(policies(), records())
def test_a_replay_decides_as_the_trainer_did(policy: Policy, validations: list[Validation]) -> None:
    state, decision = policy.start(), None
    measured = [validation for validation in validations if validation.value is not None]
    for validation in measured:
        state, decision = policy.observe(state, validation)
    found = replay(policy, RecordedRun(validations=measured, mode=policy.mode))
    if found.status is not Status.INCONCLUSIVE:
        assert decision is not None
        assert (found.stop_step, found.best_step) == (decision.at_step if decision.stop else None, decision.best_step)


@given(policies(), records())
def test_a_run_that_set_its_rate_is_replayed_by_its_own_policy(policy: Policy, validations: list[Validation]) -> None:
    measured = [validation for validation in validations if validation.value is not None]
    state, reductions, decision = policy.start(), {}, None
    for validation in measured:
        state, decision = policy.observe(state, validation)
        if decision.reduction is not None and decision.at_step == validation.step:
            reductions[validation.step] = decision.reduction
    found = replay(policy, RecordedRun(validations=measured, mode=policy.mode, reductions=reductions))
    assert "learning rate" not in found.message or found.status is not Status.INCONCLUSIVE
    if "would have gone back" in found.message:  # the record does not have what follows
        assert found.status is Status.CENSORED
    elif decision is not None and found.status is not Status.INCONCLUSIVE:
        assert found.stop_step == (decision.at_step if decision.stop else None)


@given(policies(), records(), st.integers(0, 100))
def test_nothing_is_saved_or_lost_below_zero(policy: Policy, validations: list[Validation], budget: int) -> None:
    found = replay(policy, RecordedRun(validations=validations, mode=policy.mode, budget=budget + 1))
    assert (found.steps_saved or 0) >= 0
    assert (found.value_lost or 0) >= 0
    assert found.regret == found.value_lost
    assert (found.status is Status.STOPPED) == (found.stop_step is not None)


PLATEAU = [0.5, 0.4, 0.4, 0.4, 0.6, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("policy", "reductions", "status", "stop"),
    [
        # The recorded run did the same at the same validation (3): on to the stop.
        ("reduce_on_plateau(2) | patience(3)", {3: (0.1, 0.0), 7: (0.1, 0.0)}, "stopped", 4),
        ("reduce_on_plateau(2, cooldown=1, max_reductions=1)", {3: (0.1, 0.0)}, "stopped", 7),
        # It did nothing, another thing, or did it elsewhere.
        ("reduce_on_plateau(2) | patience(3)", {}, "inconclusive", None),
        ("reduce_on_plateau(2) | patience(3)", {3: (0.5, 0.0)}, "inconclusive", None),
        ("reduce_on_plateau(2) | patience(3)", {3: (0.1, 1e-4)}, "inconclusive", None),
        ("reduce_on_plateau(2) | patience(3)", {4: (0.1, 0.0)}, "inconclusive", None),
        ("reduce_on_plateau(3) | patience(3)", {3: (0.1, 0.0)}, "inconclusive", None),
        # Nothing comes after the validation at which it would have parted.
        ("reduce_on_plateau(2) | patience(2)", {}, "stopped", 3),
        # It never comes to reduce, nor did the run before its stop.
        ("reduce_on_plateau(9) | patience(3)", {8: (0.1, 0.0)}, "stopped", 4),
        # One that stops, over a run that reduces: what the run did is a part of its training.
        ("patience(3)", {3: (0.1, 0.0)}, "stopped", 4),
        ("shadow(reduce_on_plateau(2)) | patience(3)", {}, "stopped", 4),
    ],
)
def test_another_learning_rate_would_have_given_another_curve(
    policy: str, reductions: dict[int, tuple[float, float]], status: str, stop: int | None
) -> None:
    validations = [Validation(step, value) for step, value in enumerate(PLATEAU, start=1)]
    found = replay(build(parse(policy), "max"), RecordedRun(validations=validations, mode="max", reductions=reductions))
    assert (found.status, found.stop_step) == (status, stop)
    if status == "inconclusive":
        assert found.message.startswith("At step 3 the policy would have set another learning rate than the run had")


@pytest.mark.parametrize(
    ("rungs", "status", "stop"),
    [
        ({}, "inconclusive", None),
        ({2: 1}, "inconclusive", None),
        ({2: 1, 4: 2}, "stopped", 5),
        ({2: 2}, "inconclusive", None),
    ],
)
def test_what_other_runs_did_at_a_rung_is_not_in_the_record(
    rungs: dict[int, int], status: str, stop: int | None
) -> None:
    """Past the rungs at which the run itself paused it is followed: it was promoted there."""
    validations = [Validation(step, value) for step, value in enumerate(PLATEAU[:6], start=1)]
    policy = build(parse("successive_halving(2, factor=2) | max_steps(5)"), "max")
    found = replay(policy, RecordedRun(validations=validations, mode="max", rungs=rungs))
    assert (found.status, found.stop_step) == (status, stop)
    if rungs == {}:
        assert (
            found.message
            == "At step 2 the policy would have waited at rung 1 for other runs: what follows is not known."
        )


def test_a_rung_at_the_last_validation_changes_nothing() -> None:
    validations = [Validation(step, value) for step, value in enumerate(PLATEAU[:2], start=1)]
    policy = build(parse("successive_halving(2)"), "max")
    assert replay(policy, RecordedRun(validations=validations, mode="max")).status == "censored"


def test_a_run_past_its_own_stop_is_counted_from_there() -> None:
    """Its own patience would have ended it at 2401 with 0.981; a longer one costs steps and gains value."""
    shadow = replace(SEED, own_stop=2401)
    longer = replay(Patience(mode="max", steps=700), shadow)
    assert (longer.steps_saved, longer.examples_lost, longer.keeps_best) == (2401 - 5501, -35, True)
    assert longer.share_saved == pytest.approx(-3100 / 2401)
    assert longer.seconds_saved == pytest.approx(-310)
    same = replay(Patience(mode="max", steps=500), shadow)
    assert (same.steps_saved, same.value_lost, same.keeps_best) == (0, 0.0, True)
    assert longer.regret == 0.0
    assert same.regret == pytest.approx(0.007)
