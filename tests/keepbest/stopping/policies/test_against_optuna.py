"""The same values through Optuna's own pruners: where we agree, and where we differ on purpose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepbest.stopping import Mode, Patience
from keepbest.stopping.median import judge_by_median
from tests.support.watch import stop_of

optuna = pytest.importorskip("optuna", reason="needs Optuna: make install")
pytestmark = [
    pytest.mark.filterwarnings("ignore:PatientPruner is experimental"),
    pytest.mark.filterwarnings("ignore:All-NaN"),
]
NAN = math.nan
FLAT = {"x": optuna.distributions.FloatDistribution(0, 1)}
MODES: st.SearchStrategy[Mode] = st.sampled_from(["max", "min"])
DISTINCT = st.lists(st.floats(-9, 9), min_size=1, max_size=12, unique=True)
#: Their halves are exact: NumPy's percentile adds otherwise.
ROW = st.lists(st.sampled_from([0.125, 0.25, 0.5, 0.75, NAN]), min_size=1, max_size=4)


def trial_of(values: Sequence[float], *, is_running: bool = False) -> Any:
    state = optuna.trial.TrialState.RUNNING if is_running else optuna.trial.TrialState.COMPLETE
    seen = dict(enumerate(values, start=1))
    value = None if is_running else 0.0
    return optuna.trial.create_trial(
        state=state, value=value, params={"x": 0.5}, distributions=FLAT, intermediate_values=seen
    )


def prunes(pruner: Any, mode: Mode, own: Sequence[float], others: Sequence[Sequence[float]] = ()) -> bool:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize" if mode == "max" else "minimize")
    study.add_trials([trial_of(row) for row in others])
    return bool(pruner.prune(study, trial_of(own, is_running=True)))


def pruned_at(mode: Mode, patience: int, values: Sequence[float]) -> int | None:
    """Return the first step at which Optuna's PatientPruner alone would prune."""
    pruner = optuna.pruners.PatientPruner(None, patience=patience)
    return next((step for step in range(1, len(values) + 1) if prunes(pruner, mode, values[:step])), None)


@settings(max_examples=25)
@given(MODES, st.integers(0, 3), DISTINCT)
def test_its_patience_is_one_less_than_our_checks(mode: Mode, patience: int, values: list[float]) -> None:
    assert stop_of(Patience(mode=mode, checks=patience + 1), values) == pruned_at(mode, patience, values)


@pytest.mark.parametrize(
    ("values", "theirs", "ours"),
    [
        # As good as before is no gain to us; Optuna goes on as long as the best comes again.
        ([0.5, 0.5, 0.5, 0.5], None, 3),
        ([0.5, 0.4, 0.5, 0.4, 0.4], 5, 3),
        # NaN is nothing to it, and a validation without improvement to us.
        ([0.5, 0.4, NAN, 0.3], 3, 3),
        ([0.5, NAN, NAN, 0.3], 4, 3),
    ],
)
def test_where_patience_differs_on_purpose(values: list[float], theirs: int | None, ours: int) -> None:
    assert (pruned_at("max", 1, values), stop_of(Patience(mode="max", checks=2), values)) == (theirs, ours)


@settings(max_examples=40)
@given(MODES, ROW, st.lists(ROW, max_size=6), st.integers(1, 3))
def test_its_median_is_our_optuna_form(mode: Mode, own: list[float], others: list[list[float]], startup: int) -> None:
    pruner = optuna.pruners.MedianPruner(n_startup_trials=startup, n_warmup_steps=2)
    ruled = judge_by_median(
        list(enumerate(own, start=1)),
        [list(enumerate(row, start=1)) for row in others],
        mode,
        form="optuna",
        startup_runs=startup,
        start_from=2,
    )
    assert ruled.stop == prunes(pruner, mode, own, others)
