"""The report of a sweep: what it searched and how far, its best run, and why that value is optimistic."""

from __future__ import annotations

import json
from collections.abc import Iterator

from keepbest.contract.reports import Block, Picture
from keepbest.contract.runs import Run
from keepbest.contract.sweeps import Sweep, SweepImportance, SweepRun, SweepRuns
from keepbest.figures import figure
from keepbest.reports.blocks import head, tabulate, tell, warn
from keepbest.reports.curve import draw_tries
from keepbest.reports.material import SweepMaterial
from keepbest.reports.run import tell_test
from keepbest.stopping import render
from keepbest.stopping.statistics import spread

#: Runs in the table: the best ones of the sweep.
MAX_ROWS = 50


def report_sweep(material: SweepMaterial) -> Iterator[Block]:
    """Yield the report's blocks, the most important first."""
    known = material.known
    sweep = known.sweep
    yield head(f"{sweep.name} (sweep {sweep.id})", 1)
    yield tell(_summary(sweep))
    yield from _best(known)
    yield from _test(material.best)
    svg = draw_tries(_values(known), sweep.monitor, "min" if sweep.mode == "min" else "max")
    if svg:
        yield Picture(svg=svg, caption=f"{sweep.monitor} of each run, and the best so far", file=f"{sweep.id}.svg")
    yield from _runs(known)
    yield from _importance(material.importance)
    yield from _search(sweep)


def _summary(sweep: Sweep) -> str:
    whose = f"A sweep of {sweep.source} in project {sweep.project}, by {sweep.created_by}"
    return f"{whose}: {sweep.state.value}. {sweep.message or ''}".rstrip()


def _best(known: SweepRuns) -> Iterator[Block]:
    sweep, best = known.sweep, known.sweep.best
    yield head("Best as selected")
    if best is None or best.value is None:
        yield tell("No run had a value yet.")
        return
    tried = sum(run.averages_tried for run in known.runs)
    yield tabulate(
        [
            (sweep.monitor, f"{figure(best.value)} at step {best.value_step or 0:,} of {best.name} ({best.run})"),
            *_selected(sweep, best),
            *((name, json.dumps(value)) for name, value in best.parameters.items()),
            ("runs it was chosen from", _count(known)),
            ("validations it was chosen from", f"{sum(run.validations for run in known.runs):,}"),
            *([("averages it was chosen from", f"{tried:,}")] if tried else []),
        ]
    )
    averages = ", and averages," if tried else ""
    yield warn(
        f"Selected, optimistic: the best of many validations{averages} of many runs on the same examples. "
        "Quote the test result of this run, if it was chosen before anybody saw a test result."
    )


def _selected(sweep: Sweep, best: SweepRun) -> Iterator[tuple[str, str]]:
    if best.selected_value is None or sweep.selector is None:
        return
    yield "selected by", render(sweep.selector.model_dump())
    if best.is_other and best.best_value is not None:
        yield "beside its best validation's", f"{figure(best.best_value)} at step {best.best_step or 0:,}"


def _count(known: SweepRuns) -> str:
    """Return how many runs could have been the best: those with a value, and deleted ones, which had been tried."""
    counts = known.sweep.counts.model_dump(exclude={"made"})
    deleted = known.sweep.counts.made - len(known.runs)
    parts = [f"{count} {what}" for what, count in [*counts.items(), ("deleted", deleted)] if count]
    unmade = known.sweep.runs - known.sweep.counts.made
    parts += [f"{unmade} not made"] if unmade else []
    return f"{len(_values(known)) + deleted} of {known.sweep.runs}: {', '.join(parts)}"


def _test(best: Run | None) -> Iterator[Block]:
    yield head("Test set")
    if best is None or best.test is None:
        yield tell("Not measured at the best run.")
        return
    yield from tell_test(best.test, best.selection)


def _values(known: SweepRuns) -> dict[int, float]:
    return {run.number: run.value for run in known.runs if run.value is not None}


def _runs(known: SweepRuns) -> Iterator[Block]:
    sweep = known.sweep
    values = [run.value for run in known.runs if run.value is not None]
    measured = sorted(known.runs, key=lambda run: run.value or 0.0, reverse=sweep.mode == "max")
    shown = sorted(measured, key=lambda run: run.value is None)[:MAX_ROWS]
    selected = ["selected"] if any(run.is_other for run in known.runs) else []
    heads = ("try", "run", *sweep.space, "best", *selected, "steps", "ended")
    yield head("Its runs, the best first")
    yield tabulate([_row(run, list(sweep.space), with_selected=bool(selected)) for run in shown], heads)
    if len(known.runs) > MAX_ROWS:
        yield tell(f"These are {MAX_ROWS} of {len(known.runs):,}.")
    result = spread(values)
    if result is not None:
        runs = f"{result.count} run{'s' * (result.count != 1)}"
        yield tell(
            f"The median of {runs} is {figure(result.median)}, from {figure(result.low)} to {figure(result.high)}."
        )


def _row(run: SweepRun, names: list[str], *, with_selected: bool) -> tuple[str, ...]:
    result = [run.best_value, run.selected_value] if with_selected else [run.best_value]
    written = ("-" if value is None else figure(value) for value in result)
    ended = run.stop_reason.value if run.stop_reason else run.state.value
    values = [json.dumps(run.parameters.get(name)) for name in names]
    return (str(run.number), run.run, *values, *written, f"{run.step or 0:,}", ended)


def _importance(importance: SweepImportance) -> Iterator[Block]:
    yield head("What made the difference")
    if not importance.parameters:
        yield tell(importance.message or "Not known.")
        return
    rows = [
        (item.name, "changed too rarely to tell" if item.share is None else f"{100 * item.share:.0f} %")
        for item in importance.parameters
    ]
    yield tabulate(rows, ("parameter", "share"))
    yield tell(f"By PED-ANOVA (Watanabe et al., IJCAI 2023) over {importance.runs} finished runs: a hint, no more.")


def _search(sweep: Sweep) -> Iterator[Block]:
    yield head("How it was searched")
    yield tabulate(
        [
            ("search", f"{sweep.search.value}, seed {sweep.seed}"),
            *([("selector", render(sweep.selector.model_dump()))] if sweep.selector is not None else []),
            *((name, _write(dimension.model_dump(exclude={"kind"}))) for name, dimension in sweep.space.items()),
            ("at once", f"{sweep.at_once}"),
            ("began", f"{sweep.created_at:%Y-%m-%d %H:%M:%S} UTC"),
            ("ended", f"{sweep.ended_at:%Y-%m-%d %H:%M:%S} UTC" if sweep.ended_at else "not yet"),
        ]
    )


def _write(dimension: dict[str, object]) -> str:
    return ", ".join(f"{name} {json.dumps(value)}" for name, value in dimension.items())
