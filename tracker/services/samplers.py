"""Chooses a sweep's next parameters, and measures which parameters mattered, with Optuna.

Pure. Each call builds a study in memory from the runs so far and seeds its sampler with the sweep's seed and the
trial's number: the same runs give the same answer in any process, at any time.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keepbest.contract.runs import Mode
from keepbest.contract.sweeps import (
    Choices,
    Dimension,
    Importance,
    IntRange,
    LogUniform,
    Search,
    Sweep,
    SweepImportance,
    SweepRun,
)
from keepbest.status import RunState, StopReason

if TYPE_CHECKING:
    import optuna

#: With fewer finished runs, the importance of a parameter cannot be told from luck.
MIN_RUNS = 5
#: With fewer runs whose value of a parameter is not the most common one, its importance is not known.
MIN_CHANGES = 2


def propose(sweep: Sweep, runs: Sequence[SweepRun], number: int, count: int) -> list[dict[str, Any]]:
    """Return the parameters of `count` trials: those with the numbers `number`, `number + 1`, …"""
    if sweep.search is Search.GRID:
        return [_read_grid(sweep.space, number + place - 1) for place in range(count)]
    study = _build_study(sweep.space, sweep.mode, runs, _name_state)
    distributions = {name: _distribute(dimension) for name, dimension in sweep.space.items()}
    chosen = []
    for place in range(count):
        study.sampler = _make_sampler(sweep, number + place)
        parameters = {}
        for name, value in study.ask(distributions).params.items():  # the trial stays in the study as a running one
            dimension = sweep.space[name]
            parameters[name] = dimension.values[value] if isinstance(dimension, Choices) else value
        chosen.append(parameters)
    return chosen


def weigh(space: Mapping[str, Dimension], mode: Mode, runs: Sequence[SweepRun]) -> SweepImportance:
    """Return each parameter's share in the difference between good and bad runs.

    PED-ANOVA (Watanabe et al., IJCAI 2023) measures which parameters distinguish the best runs from the others, by the
    value that a restore of each gives. A run that was not promoted counts with the value that it had. Optuna's other
    method, fANOVA, needs scikit-learn.
    """
    values = [run.value for run in runs if _is_measured(run)]
    if len(values) < MIN_RUNS or len(set(values)) < 2:
        message = f"Known once {MIN_RUNS} runs have finished with different values."
        return SweepImportance(parameters=[], runs=len(values), message=message)
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    measured = [run for run in runs if _is_measured(run)]
    study = _build_study(space, mode, measured, lambda run: "COMPLETE")
    param_importances = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    shares = {
        name: float(share)
        for name, share in param_importances.items()
        if math.isfinite(share) and _varies(measured, name)
    }
    whole = sum(shares.values()) or 1.0
    known = {name: share / whole for name, share in sorted(shares.items(), key=lambda pair: -pair[1])}
    parameters = [Importance(name=name, share=share) for name, share in known.items()]
    parameters += [Importance(name=name, share=None) for name in space if name not in known]
    return SweepImportance(parameters=parameters, runs=len(values))


def _varies(runs: Sequence[SweepRun], name: str) -> bool:
    """Whether at least `MIN_CHANGES` runs had another value of the parameter than the most common one."""
    counts = Counter(repr(run.parameters.get(name)) for run in runs)
    return len(runs) - max(counts.values()) >= MIN_CHANGES


def _read_grid(space: dict[str, Dimension], place: int) -> dict[str, Any]:
    """Return the combination at a place of the grid; the last parameter changes fastest."""
    chosen = {}
    for name, dimension in reversed(space.items()):
        values = dimension.values if isinstance(dimension, Choices) else _list_range(dimension)
        place, at = divmod(place, len(values))
        chosen[name] = values[at]
    return {name: chosen[name] for name in space}


def _list_range(dimension: Dimension) -> Sequence[int]:
    assert isinstance(dimension, IntRange)  # noqa: S101  # the tracker refuses a grid of anything else
    return range(dimension.low, dimension.high + 1, dimension.step)


def _build_study(
    space: Mapping[str, Dimension], mode: Mode, runs: Sequence[SweepRun], name_state: Callable[[SweepRun], str]
) -> optuna.Study:
    import optuna  # takes 0.3 s and 30 MB, which a tracker without sweeps saves

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize" if mode is Mode.MAX else "minimize")
    study.add_trials([_to_trial(space, run, name_state(run)) for run in runs])
    return study


def _make_sampler(sweep: Sweep, number: int) -> optuna.samplers.BaseSampler:
    from optuna.samplers import RandomSampler, TPESampler

    mixed = hashlib.blake2b(f"{sweep.seed} {number}".encode(), digest_size=4)
    seed = int.from_bytes(mixed.digest(), "big")
    if sweep.search is Search.RANDOM:
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls the constant liar experimental
        return TPESampler(seed=seed, constant_liar=True)


def _to_trial(space: Mapping[str, Dimension], run: SweepRun, state_name: str) -> optuna.trial.FrozenTrial:
    from optuna.trial import TrialState, create_trial

    known = {name: value for name, value in run.parameters.items() if name in space}
    state, value = TrialState[state_name], run.value  # the value of the model that the run ended with
    return create_trial(
        state=state,
        value=value if state is TrialState.COMPLETE else None,
        intermediate_values={run.step or 0: value} if state is TrialState.PRUNED and value is not None else None,
        params={name: _from_value(space[name], value) for name, value in known.items()},
        distributions={name: _distribute(space[name]) for name in known},
    )


def _name_state(run: SweepRun) -> str:
    """Return Optuna's name for a run's state. A run that paused at a rung is PRUNED: TPE then uses how far it came."""
    if not run.state.is_final:
        return "PRUNED" if run.rungs and _is_finite(run) else "RUNNING"
    if not _is_measured(run):
        return "FAIL"
    return "PRUNED" if run.stop_reason is StopReason.SUCCESSIVE_HALVING else "COMPLETE"


def _is_measured(run: SweepRun) -> bool:
    return run.state is RunState.FINISHED and _is_finite(run)


def _is_finite(run: SweepRun) -> bool:
    return run.value is not None and math.isfinite(run.value)


def _distribute(dimension: Dimension) -> optuna.distributions.BaseDistribution:
    """Return Optuna's distribution; of choices, that of their places: Optuna takes no lists and confuses 1 and true."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(dimension, Choices):
        return CategoricalDistribution(range(len(dimension.values)))
    if isinstance(dimension, IntRange):
        high = _list_range(dimension)[-1]
        return IntDistribution(dimension.low, high, log=dimension.log, step=dimension.step)
    return FloatDistribution(dimension.low, dimension.high, log=isinstance(dimension, LogUniform))


def _from_value(dimension: Dimension, value: Any) -> Any:
    if not isinstance(dimension, Choices):
        return value
    same = [place for place, item in enumerate(dimension.values) if item == value]
    return next((place for place in same if type(dimension.values[place]) is type(value)), same[0])
