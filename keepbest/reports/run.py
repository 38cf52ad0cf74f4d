"""The report of one run: each figure with its basis, and a warning where a figure says less than it seems to."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keepbest.contract.reports import Block, Paragraph, Picture
from keepbest.contract.runs import (
    CodeSource,
    CommandSource,
    Mode,
    RecipeSource,
    RecordedTestResult,
    Run,
    RunSpec,
    TestResult,
)
from keepbest.contract.selections import Selection
from keepbest.figures import figure
from keepbest.reports.blocks import head, tabulate, tell, warn
from keepbest.reports.curve import draw_validations
from keepbest.reports.gains import Gain, find_last_gain
from keepbest.reports.material import Material
from keepbest.stopping import build, render
from keepbest.stopping.statistics import wilson

PARTS = ("train", "validation", "test")


def report_run(material: Material) -> Iterator[Block]:
    """Yield the report's blocks, the most important first."""
    run = material.run
    yield head(f"{run.name} ({run.id})", 1)
    yield tell(_summary(run))
    yield from _best(material)
    yield from _test(material)
    yield from _curve(material)
    yield from _stopping(run)
    yield from _setup(run)


def _summary(run: Run) -> str:
    why = f" ({run.stop_reason.value})" if run.stop_reason else ""
    whose = f"Run #{run.number} of project {run.project}, by {run.created_by}"
    return f"{whose}: {run.state.value}{why}. {run.stop_message or ''}".rstrip()


def _best(material: Material) -> Iterator[Block]:
    run = material.run
    yield head("Best as selected")
    if run.best_value is None or run.best_step is None:
        yield tell("No validation had a value yet.")
        return
    n = next(
        (
            validation.n
            for validation in material.validations
            if validation.step == run.best_step and not validation.ghost
        ),
        None,
    )
    rows = [
        (run.spec.monitor, f"{figure(run.best_value)} at step {run.best_step:,}"),
        ("measured on", f"{n:,} examples" if n is not None else "an unknown number of examples"),
        ("validations it was chosen from", f"{run.validations:,}"),
    ]
    if material.searched is not None:
        rows.append(("runs it was chosen from", f"{material.searched:,}"))
    rows += _receipts(material, run.best_checkpoint)
    yield tabulate(rows)
    trials = run.selection.trials if run.selection is not None else []
    tried = f" and {len(trials):,} trials" if trials else ""
    yield warn(
        f"Selected, optimistic: the best of {run.validations:,} validations{tried} on the same examples. "
        "Quote the value on the test set, measured once."
    )
    gain = find_last_gain(material.validations, "min" if run.mode is Mode.MIN else "max")
    if gain is not None:
        yield _say_gain(gain)
    yield from _selection(material)


def _say_gain(gain: Gain) -> Paragraph:
    words = f"The last accepted improvement, at step {gain.step:,}, is {figure(abs(gain.value - gain.before))}"
    if gain.examples is None or gain.errors is None:
        return tell(f"{words}.")
    within = ", within noise" if gain.is_noise else ""
    return tell(f"{words}: {gain.examples:.0f} examples, {gain.errors:.2f} standard errors{within}.")


def _selection(material: Material) -> Iterator[Block]:
    """Yield what a selector other than `best` chose, and each average that it tried."""
    made = material.run.selection
    if made is None:
        return
    steps = {selection_candidate.checkpoint: f"{selection_candidate.step:,}" for selection_candidate in made.candidates}
    rows = [
        ("selector", render(made.selector.model_dump())),
        (material.run.spec.monitor, figure(made.value)),
        ("beside the best's", f"{figure(made.best_value)} at step {made.best_step:,}"),
        ("made of step", ", ".join(steps.get(id, id) for id in made.made_of)),
        ("candidates", f"{len(made.candidates):,}"),
        ("averages tried", f"{len(made.trials):,}"),
        ("why", made.message),
    ]
    rows += [("batch statistics of", f"{made.batches:,} training batches")] if made.batches is not None else []
    yield head("What the run ended with", 3)
    yield tabulate([*rows, *_receipts(material, made.checkpoint)])
    if made.trials:
        trials = [
            (
                ", ".join(steps.get(id, id) for id in trial.made_of),
                "-" if trial.value is None else figure(trial.value),
                "kept" if trial.is_kept else "not kept",
            )
            for trial in made.trials
        ]
        yield tabulate(trials, ("average of steps", "value", ""))


def _receipts(material: Material, checkpoint: str | None) -> list[tuple[str, str]]:
    """Return a row with the newest receipt of a checkpoint, or no row."""
    rows = []
    for receipt in material.receipts:
        if receipt.checkpoint == checkpoint:
            words = "equal to the last bit" if receipt.equal else f"difference {receipt.difference!r}"
            rows = [("restored in a fresh process", f"{receipt.restored!r}: {words}")]
    return rows


def _test(material: Material) -> Iterator[Block]:
    test, made = material.run.test, material.run.selection
    yield head("Test set")
    if test is None:
        yield tell("Not measured.")
        return
    yield from tell_test(test, made)
    if len(material.test_results) > 1:
        yield from _test_results(material.test_results)


def tell_test(test: TestResult, made: Selection | None) -> Iterator[Block]:
    """Yield the test result with its model, each share with its interval."""
    is_average = made is not None and made.is_average and made.checkpoint == test.checkpoint
    where = "the average that was selected" if is_average else f"the restored checkpoint of step {test.step:,}"
    yield tell(f"Measured at {where}, on {test.n:,} examples.")
    yield tabulate(
        [_interval(name, value, test.n) for name, value in test.values.items()], ("", "value", "95 % (Wilson)")
    )


def _test_results(test_results: Sequence[RecordedTestResult]) -> Iterator[Block]:
    yield warn(
        f"The test set was measured {len(test_results)} times, at each end of the run. Only the first result is "
        "honest: it may have influenced everything that was trained or chosen later."
    )
    yield tabulate(
        [
            (
                f"{test_result.at:%Y-%m-%d %H:%M:%S} UTC",
                f"{test_result.step:,}",
                ", ".join(f"{name} {figure(value)}" for name, value in test_result.values.items()),
                test_result.checkpoint or "-",
            )
            for test_result in test_results
        ],
        ("measured", "at step", "values", "checkpoint"),
    )


def _interval(name: str, value: float, n: int) -> tuple[str, str, str]:
    interval = wilson(value, n) if "acc" in name else None
    return name, figure(value), f"{figure(interval.low, 4)} to {figure(interval.high, 4)}" if interval else ""


def _curve(material: Material) -> Iterator[Block]:
    run = material.run
    svg = draw_validations(material.validations, run.spec.monitor, run.best_step, run.step if run.stop_reason else None)
    if svg:
        yield Picture(
            svg=svg,
            caption=f"{run.spec.monitor} at each validation; the best marked, the end dashed",
            file=f"{run.id}.svg",
        )


def _stopping(run: Run) -> Iterator[Block]:
    stopper = run.spec.stopper.model_dump()
    last = run.max_steps or run.spec.max_steps
    yield head("How it was stopped")
    yield tabulate(
        [
            ("policy", render(stopper)),
            ("versions", _versions(stopper, run.mode.value)),
            *([("a validation every", f"{run.spec.validate_every:,} steps")] if not run.spec.is_script else []),
            ("at most", f"{last:,} steps" if last is not None else "no limit"),
            ("steps taken", f"{run.step or 0:,}"),
            ("failed attempts", f"{run.failed_attempts or 0}"),
        ]
    )


def _versions(stopper: dict[str, Any], mode: Any) -> str:
    if mode == Mode.AUTO:
        return "-"
    policy = build(stopper, mode)
    return ", ".join(f"{part.name} {part.version}" for part in policy.parts or (policy,))


def _setup(run: Run) -> Iterator[Block]:
    yield head("What was trained")
    spec = run.spec
    rows = [("source", _source_of(spec))]
    rows += [("data", spec.data or "-"), ("seed", str(spec.seed))] if not spec.is_script else []
    rows += [(name, str(value)) for name, value in sorted(spec.parameters.items())]
    if spec.forked_from is not None:
        rows.append(("forked from", f"{spec.forked_from.run} at step {spec.forked_from.step:,}"))
    rows += [("resume", f"{run.resume}{': ' + run.resume_note if run.resume_note else ''}")] if run.resume else []
    rows += [("incomplete", run.incomplete)] if run.incomplete else []
    yield tabulate(rows)
    environment = dict(run.environment or {})
    data = environment.pop("data", None)
    if isinstance(data, Mapping):
        yield from _splits(data)
    if environment:
        yield head("Environment", 3)
        yield tabulate([(name, _write(value)) for name, value in sorted(environment.items())])


def _source_of(spec: RunSpec) -> str:
    if isinstance(spec.source, RecipeSource):
        return spec.source.name
    if isinstance(spec.source, CodeSource):
        return spec.source.entry
    return shlex.join(spec.source.argv) if isinstance(spec.source, CommandSource) else "its own script"


def _write(value: Any) -> str:
    return ", ".join(f"{name} {item}" for name, item in value.items()) if isinstance(value, Mapping) else str(value)


def _splits(data: Mapping[str, Any]) -> Iterator[Block]:
    rows = [(name, f"{data[name].get('n', 0):,}", str(data[name].get("digest", ""))) for name in PARTS if name in data]
    yield head("Splits", 3)
    yield tabulate(rows, ("part", "examples", "BLAKE3"))
