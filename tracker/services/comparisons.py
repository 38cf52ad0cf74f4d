"""Puts runs side by side: their metrics in one table, the parameters that differ, and each parameter's importance."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from keepbest.contract.comparisons import ComparedMetric, MetricCell, RunComparison
from keepbest.contract.runs import Mode, Run
from keepbest.contract.sweeps import Choices, Dimension, IntRange, LogUniform, SweepImportance, SweepRun, Uniform
from keepbest.contract.validations import MetricSummary
from keepbest.stopping import find_mode
from tracker.db import Connection
from tracker.services import samplers
from tracker.store import runs, shares
from tracker.store.access.users import Principal
from tracker.store.metrics import metrics

#: Parameters of one comparison that charts and importance speak of.
MAX_DIFFERENT = 50
#: A value with more characters is no place on an axis.
MAX_VALUE = 400
#: From this ratio of the largest to the smallest value on, an axis is logarithmic.
LOG_RATIO = 10
#: Larger whole numbers are taken as fractions: JSON readers lose their last digits.
MAX_EXACT = 2**53

Side = Literal["min", "max"]
Summaries = Mapping[str, MetricSummary]


def gather(conn: Connection, ids: Sequence[str], principal: Principal) -> tuple[list[Run], list[Summaries]]:
    """Return the runs with these ids that the person sees, in the order asked, and what each one's metrics are."""
    rows = runs.find_whole_runs(conn, ids, principal)
    known = metrics.read_summaries(conn, [row.pk for row in rows])
    return [shares.narrow_run(runs.show_run(row), principal) for row in rows], [
        {summary.key: summary for summary in known.get(row.pk, [])} for row in rows
    ]


def compare(ids: Sequence[str], compared: Sequence[Run], summaries: Sequence[Summaries]) -> RunComparison:
    """Return the comparison of runs, each with the summaries of its metrics; pure."""
    there = {run.id for run in compared}
    space = find_space([run.spec.parameters for run in compared])
    return RunComparison(
        runs=list(compared),
        missing=[id for id in dict.fromkeys(ids) if id not in there],
        metrics=_compare_metrics(compared, summaries),
        space=space,
        importance=_weigh(space, compared),
    )


def find_space(parameters: Sequence[Mapping[str, Any]]) -> dict[str, Dimension]:
    """Return a dimension for each parameter that differs between runs; those with long values are left out.

    Example:
        >>> find_space([{"units": 16, "seed": 1}, {"units": 64, "seed": 1}])
        {'units': IntRange(kind='int', low=16, high=64, step=1, log=False)}
    """
    names = list(dict.fromkeys(name for chosen in parameters for name in chosen))
    columns = {name: [chosen[name] for chosen in parameters if name in chosen] for name in names}
    different = {name: values for name, values in columns.items() if _differs(values, len(parameters))}
    return {name: _find_dimension(values) for name, values in list(different.items())[:MAX_DIFFERENT]}


def _differs(values: Sequence[Any], runs: int) -> bool:
    written = {json.dumps(value, sort_keys=True) for value in values}
    return (len(written) > 1 or len(values) < runs) and max(map(len, written)) <= MAX_VALUE


def _find_dimension(values: Sequence[Any]) -> Dimension:
    if not all(_is_number(value) for value in values) or min(values) == max(values):
        return Choices(values=list({json.dumps(value, sort_keys=True): value for value in values}.values()))
    low, high = min(values), max(values)
    is_wide = low > 0 and high / low >= LOG_RATIO
    if all(isinstance(value, int) for value in values) and max(abs(low), abs(high)) <= MAX_EXACT:
        return IntRange(low=low, high=high, log=is_wide and low >= 1)
    return LogUniform(low=low, high=high) if is_wide else Uniform(low=low, high=high)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _weigh(space: Mapping[str, Dimension], compared: Sequence[Run]) -> SweepImportance:
    if len({(run.spec.monitor, run.mode) for run in compared}) != 1:
        return SweepImportance(parameters=[], runs=0, message="The runs do not monitor the same metric.")
    if not space:
        return SweepImportance(parameters=[], runs=0, message="No parameter differs between these runs.")
    tried = [_as_try(run, number, space) for number, run in enumerate(compared, 1)]
    return samplers.weigh(space, compared[0].mode, tried)


def _as_try(run: Run, number: int, space: Mapping[str, Dimension]) -> SweepRun:
    return SweepRun(
        number=number,
        run=run.id,
        name=run.name,
        state=run.state,
        stop_reason=run.stop_reason,
        parameters={name: value for name, value in run.spec.parameters.items() if name in space},
        step=run.step,
        best_value=run.best_value,
        selected_value=run.selection.value if run.selection else None,
    )


def _compare_metrics(compared: Sequence[Run], summaries: Sequence[Summaries]) -> list[ComparedMetric]:
    """Return a row for each metric: first those that some run monitors, then by name."""
    monitored = {run.spec.monitor: run for run in compared}
    keys = sorted({key for known in summaries for key in known}, key=lambda key: (key not in monitored, key))
    return [_compare_metric(key, monitored.get(key), compared, summaries) for key in keys]


def _compare_metric(
    key: str, monitor: Run | None, compared: Sequence[Run], summaries: Sequence[Summaries]
) -> ComparedMetric:
    own = monitor.mode if monitor else Mode.AUTO
    mode = find_mode(key) if own is Mode.AUTO else "max" if own is Mode.MAX else "min"
    cells = [_make_cell(run, known.get(key), mode) for run, known in zip(compared, summaries, strict=True)]
    return ComparedMetric(key=key, mode=mode, cells=cells)


def _make_cell(run: Run, summary: MetricSummary | None, mode: Side | None) -> MetricCell | None:
    if summary is None:
        return None
    best, step = _find_best(run, summary, mode)
    return MetricCell(best=best, best_step=step, last=summary.last_value, last_step=summary.last_step)


def _find_best(run: Run, summary: MetricSummary, mode: Side | None) -> tuple[float | None, int | None]:
    if summary.key == run.spec.monitor and run.best_value is not None:
        return run.best_value, run.best_step
    if mode is None:
        return summary.last_value, summary.last_step
    return (summary.min_value, summary.min_step) if mode == "min" else (summary.max_value, summary.max_step)
