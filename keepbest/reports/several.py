"""The report of several runs: one setting under several seeds, or several settings side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from keepbest.contract.reports import Block
from keepbest.contract.runs import Run
from keepbest.figures import figure
from keepbest.reports.blocks import head, tabulate, tell, warn
from keepbest.reports.material import Material
from keepbest.stopping.statistics import spread


def report_several(materials: Sequence[Material]) -> Iterator[Block]:
    """Yield a table with a row for each run, then median and range of best, test and steps."""
    runs = [material.run for material in materials]
    monitors = {run.spec.monitor for run in runs}
    yield head(f"{len(runs)} runs", 1)
    yield tell(_difference(runs))
    yield tabulate([_row(run) for run in runs], ("run", "seed", "best", "at step", "test", "steps", "stopped by"))
    if len(monitors) > 1:
        yield warn(f"The runs watch different metrics ({', '.join(sorted(monitors))}), so no values are compared.")
        return
    yield tabulate(list(_together(runs)), ("", "runs", "median", "lowest", "highest"))
    validations = sum(run.validations for run in runs)
    trials = sum(len(run.selection.trials) for run in runs if run.selection is not None)
    tried = f" and {trials:,} averages" if trials else ""
    yield warn(
        f"The best of {len(runs)} runs and {validations:,} validations{tried} is optimistic: quote the median, or the "
        "test result of one run that was chosen before anybody saw a test result."
    )


def _difference(runs: Sequence[Run]) -> str:
    """Return a sentence on whether the runs differ only in the seed."""
    forms = {(str(run.spec.source), str(sorted(run.spec.parameters.items())), run.spec.data) for run in runs}
    seeds = sorted({run.spec.seed for run in runs})
    if len(forms) == 1:
        return f"The same source, data and parameters under {len(seeds)} seeds: {', '.join(map(str, seeds))}."
    return f"{len(forms)} different settings."


def _row(run: Run) -> tuple[str, ...]:
    best = "-" if run.best_value is None else figure(run.best_value)
    at = "-" if run.best_step is None else f"{run.best_step:,}"
    reason = run.stop_reason.value if run.stop_reason else run.state.value
    return (run.name, str(run.spec.seed), best, at, _test_words(run), f"{run.step or 0:,}", reason)


def _test_words(run: Run) -> str:
    if run.test is None:
        return "-"
    return ", ".join(f"{name} {figure(value)}" for name, value in run.test.values.items())


def _together(runs: Sequence[Run]) -> Iterator[tuple[str, ...]]:
    names = sorted({name for run in runs if run.test is not None for name in run.test.values})
    yield from _line("best", [run.best_value for run in runs])
    for name in names:
        yield from _line(f"test {name}", [run.test.values.get(name) if run.test else None for run in runs])
    yield from _line("steps", [float(run.step) if run.step is not None else None for run in runs], "{:,.0f}".format)


def _line(
    name: str, values: Sequence[float | None], show: Callable[[float], str] = figure
) -> Iterator[tuple[str, ...]]:
    result = spread([value for value in values if value is not None])
    if result is not None:
        yield (name, str(result.count), show(result.median), show(result.low), show(result.high))
