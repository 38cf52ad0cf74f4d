"""What a sweep tries next: from the same runs the same parameters, and better ones from better knowledge."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest

from keepbest.contract.base import new_id
from keepbest.contract.sweeps import RungMark, Sweep, SweepCounts, SweepRun
from keepbest.status import StopReason
from tests.support.processes import ROOT
from tests.support.store import NOW
from tracker.services.samplers import _name_state, _to_trial, propose, weigh

LAYERS = [[64, 64], [32], True, 1, None, "a"]
SPACE: dict[str, Any] = {
    "rate": {"kind": "log_uniform", "low": 1e-5, "high": 0.1},
    "drop": {"kind": "uniform", "low": 0.0, "high": 0.5},
    "units": {"kind": "int", "low": 8, "high": 64, "step": 10},
    "layers": {"kind": "choices", "values": LAYERS},
}


def a_sweep(search: str = "tpe", **said: Any) -> Sweep:
    usual = {
        "id": new_id(), "project": "p", "name": "s", "state": "running", "source": "net", "monitor": "val_accuracy",
        "mode": "max", "space": SPACE, "seed": 3, "runs": 100, "at_once": 4, "counts": SweepCounts(),
        "created_by": "ada", "created_at": NOW,
    }  # fmt: skip
    return Sweep.model_validate({**usual, "search": search, **said})


def a_run(number: int, parameters: dict[str, Any], value: float | None, state: str = "finished") -> SweepRun:
    known = {"number": number, "run": new_id(), "name": f"r{number}", "state": state, "parameters": parameters}
    return SweepRun.model_validate({**known, "best_value": value})


def try_out(sweep: Sweep, count: int) -> list[SweepRun]:
    """Try one after another on a function whose best is at a rate of 0.001; the other parameters change nothing."""
    runs: list[SweepRun] = []
    for number in range(1, count + 1):
        (chosen,) = propose(sweep, runs, number, 1)
        runs.append(a_run(number, chosen, -abs(math.log10(chosen["rate"]) + 3)))
    return runs


def test_a_grid_has_each_combination_once_last_parameter_fastest() -> None:
    space = {"a": {"kind": "choices", "values": [1, 2]}, "b": {"kind": "int", "low": 0, "high": 5, "step": 2}}
    sweep = a_sweep("grid", space=space)
    found = propose(sweep, [], 1, 6)
    assert [tuple(one.values()) for one in found] == [(1, 0), (1, 2), (1, 4), (2, 0), (2, 2), (2, 4)]
    assert list(found[0]) == ["a", "b"]
    assert propose(sweep, [], 4, 1) == found[3:4]


@pytest.mark.parametrize("search", ["random", "tpe"])
def test_proposals_lie_in_the_space_and_are_the_same_each_time(search: str) -> None:
    sweep = a_sweep(search)
    known = try_out(sweep, 12)
    chosen = propose(sweep, known, 13, 3)
    assert chosen == propose(sweep, known, 13, 3)
    assert chosen != propose(a_sweep(search, seed=4), known, 13, 3)
    for one in [*chosen, *(run.parameters for run in known)]:
        assert 1e-5 <= one["rate"] <= 0.1
        assert 0 <= one["drop"] <= 0.5
        assert one["units"] in {8, 18, 28, 38, 48, 58}
        assert any(type(one["layers"]) is type(value) and one["layers"] == value for value in LAYERS)


def test_a_restart_changes_nothing_about_random_choice() -> None:
    sweep = a_sweep("random")
    together = propose(sweep, [], 1, 4)
    runs = [a_run(1, together[0], 0.5), a_run(2, together[1], None, "failed")]
    assert propose(sweep, runs, 3, 2) == together[2:]


def test_tpe_comes_nearer_to_the_best_than_chance() -> None:
    def miss(search: str) -> float:
        late = try_out(a_sweep(search), 40)[25:]
        return -sum(run.best_value or 0.0 for run in late) / len(late)

    assert miss("tpe") < miss("random") / 2


def test_tpe_knows_which_way_is_better() -> None:
    def mean_rate(mode: str) -> float:
        sweep = a_sweep(mode=mode)
        known = [
            a_run(number, one, math.log10(one["rate"]))
            for number, one in enumerate(propose(a_sweep("random"), [], 1, 30), 1)
        ]
        return sum(math.log10(one["rate"]) for one in propose(sweep, known, 31, 10)) / 10

    assert mean_rate("max") > mean_rate("min") + 1


def test_runs_that_failed_train_or_have_no_number_do_no_harm() -> None:
    sweep = a_sweep()
    known = try_out(sweep, 12)
    others = [
        a_run(13, known[0].parameters, None, "running"),
        a_run(14, known[1].parameters, None, "failed"),
        a_run(15, known[2].parameters, math.inf),
        a_run(16, known[3].parameters, 0.3, "cancelled"),
    ]
    assert len(propose(sweep, [*known, *others], 17, 2)) == 2
    assert weigh(sweep.space, sweep.mode, [*known, *others]).runs == 12


def test_a_paused_run_tells_tpe_its_steps_and_its_value() -> None:
    """Those that wait, train on or were not promoted count as pruned: behind the complete ones, before the failed."""
    sweep = a_sweep()
    (chosen,) = propose(a_sweep("random"), [], 1, 1)

    def state_of(state: str, value: float | None = 0.5, **said: Any) -> tuple[str, dict[int, float]]:
        mark = RungMark(rung=1, step=100, value=value, promoted=False)
        run = a_run(1, chosen, value, state).model_copy(update={"step": 100, "rungs": [mark], **said})
        trial = _to_trial(sweep.space, run, _name_state(run))
        return trial.state.name, trial.intermediate_values

    halved: dict[str, Any] = {"stop_reason": StopReason.SUCCESSIVE_HALVING}
    assert [state_of(one) for one in ("paused", "queued", "running")] == [("PRUNED", {100: 0.5})] * 3
    assert state_of("finished", **halved) == ("PRUNED", {100: 0.5})
    assert state_of("finished", stop_reason=StopReason.PATIENCE) == ("COMPLETE", {})
    assert [state_of(one) for one in ("failed", "cancelled")] == [("FAIL", {})] * 2
    assert [state_of("paused", None), state_of("paused", math.nan)] == [("RUNNING", {})] * 2
    assert state_of("finished", None, **halved) == ("FAIL", {})


def test_what_is_optimised_is_what_was_selected_at_the_end() -> None:
    """Bug: TPE and the importance were told the best validations, also where selectors chose other models."""
    sweep = a_sweep("random")
    chosen = propose(sweep, [], 1, 30)
    raw = [a_run(number, one, math.log10(one["rate"])) for number, one in enumerate(chosen, 1)]
    other = [run.model_copy(update={"selected_value": run.parameters["drop"]}) for run in raw]
    assert _to_trial(sweep.space, other[0], _name_state(other[0])).value == other[0].parameters["drop"]
    assert weigh(sweep.space, sweep.mode, raw).parameters[0].name == "rate"
    assert weigh(sweep.space, sweep.mode, other).parameters[0].name == "drop"
    tpe = a_sweep("tpe")
    assert propose(tpe, raw, 31, 1) != propose(tpe, other, 31, 1)


def test_tpe_learns_from_runs_that_were_not_promoted() -> None:
    sweep = a_sweep()
    known = [
        a_run(number, one, math.log10(one["rate"])).model_copy(
            update={"stop_reason": StopReason.SUCCESSIVE_HALVING, "step": 100}
        )
        for number, one in enumerate(propose(a_sweep("random"), [], 1, 30), 1)
    ]
    rates = [math.log10(one["rate"]) for one in propose(sweep, known, 31, 10)]
    assert sum(rates) / 10 > -2.5
    assert weigh(sweep.space, sweep.mode, known).parameters[0].name == "rate"


def test_importance_finds_the_parameter_that_matters() -> None:
    sweep = a_sweep("random")
    found = weigh(sweep.space, sweep.mode, try_out(sweep, 60))
    assert found.parameters[0].name == "rate"
    assert {one.name for one in found.parameters} == SPACE.keys()
    shares = [one.share for one in found.parameters if one.share is not None]
    assert len(shares) == len(SPACE)
    assert sum(shares) == pytest.approx(1)
    assert shares[0] > 0.5


@pytest.mark.parametrize(("changed", "known"), [(0, False), (1, False), (2, True)])
def test_nothing_is_said_of_a_parameter_that_changed_too_rarely(changed: int, known: bool) -> None:
    """One run with another value said 0 %, as if it were known that it does not matter."""
    sweep = a_sweep("random")
    tried = [{**one, "drop": 0.5 if place < changed else 0.0} for place, one in enumerate(propose(sweep, [], 1, 12))]
    runs = [a_run(number, one, math.log10(one["rate"])) for number, one in enumerate(tried, 1)]
    found = {one.name: one.share for one in weigh(sweep.space, sweep.mode, runs).parameters}
    assert (found["drop"] is not None) == known
    assert sum(share for share in found.values() if share is not None) == pytest.approx(1)


@pytest.mark.parametrize("values", [[], [0.1, 0.2, 0.3, 0.4], [0.5] * 9])
def test_importance_is_not_told_from_too_little(values: list[float]) -> None:
    sweep = a_sweep("random")
    chosen = propose(sweep, [], 1, 9)
    found = weigh(sweep.space, sweep.mode, [a_run(n, chosen[n], value) for n, value in enumerate(values)])
    assert (found.parameters, found.runs) == ([], len(values))
    assert "5 runs" in str(found.message)


def test_optuna_is_loaded_where_it_is_asked_only() -> None:
    program = "import sys, tracker.server, tracker.scheduler.scheduler; print('optuna' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "False\n"
