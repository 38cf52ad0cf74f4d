"""The report of one run: each figure with what it rests on, and a warning where it says less than it seems to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from keepbest.contract.checkpoints import Receipt
from keepbest.contract.runs import Mode, Run
from keepbest.report.blocks import Block, Facts, Heading, Paragraph, Picture, Warning
from keepbest.report.curve import draw_looks
from keepbest.report.gains import find_last_gain
from keepbest.report.material import Material
from keepbest.statistics import wilson
from keepbest.stopping import build, render

PARTS = ("train", "validation", "test")


def report_run(material: Material) -> Iterator[Block]:
    """Yield the report's blocks, the most important first."""
    run = material.run
    yield Heading(f"{run.name} ({run.id})", 1)
    yield Paragraph(_summary(run))
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
    yield Heading("Best as selected")
    if run.best_value is None or run.best_step is None:
        yield Paragraph("No look had a value yet.")
        return
    n = next((look.n for look in material.looks if look.step == run.best_step and not look.ghost), None)
    rows = [
        (run.spec.monitor, f"{run.best_value!r} at step {run.best_step:,}"),
        ("measured on", f"{n:,} examples" if n is not None else "an unknown number of examples"),
        ("looks it was chosen from", f"{run.looks:,}"),
        ("runs it was chosen from", f"{material.searched:,}"),
    ]
    rows += [_receipt(receipt) for receipt in material.receipts if receipt.checkpoint == run.best_checkpoint][-1:]
    yield Facts(rows)
    yield Warning(
        "Selected, optimistic: it is the highest of many looks at the same examples. The test set, measured once, is "
        "what to quote."
    )
    gain = find_last_gain(material.looks, "min" if run.mode is Mode.MIN else "max")
    if gain is None:
        return
    words = f"The last accepted improvement, at step {gain.step:,}, is {abs(gain.value - gain.before):.6g}"
    if gain.examples is None or gain.errors is None:
        yield Paragraph(f"{words}.")
    else:
        within = ", within noise" if gain.is_noise else ""
        yield Paragraph(f"{words}: {gain.examples:.0f} examples, {gain.errors:.2f} standard errors{within}.")


def _receipt(receipt: Receipt) -> tuple[str, str]:
    words = "equal to the last bit" if receipt.equal else f"difference {receipt.difference!r}"
    return "restored in a fresh process", f"{receipt.restored!r}: {words}"


def _test(material: Material) -> Iterator[Block]:
    test = material.run.test
    yield Heading("Test set")
    if test is None:
        yield Paragraph("Not measured.")
        return
    yield Paragraph(f"Measured at the restored checkpoint of step {test.step:,}, on {test.n:,} examples.")
    yield Facts([_interval(name, value, test.n) for name, value in test.values.items()], ("", "value", "95 % (Wilson)"))


def _interval(name: str, value: float, n: int) -> tuple[str, str, str]:
    interval = wilson(value, n) if "acc" in name else None
    return name, f"{value:.6g}", f"{interval.low:.4f} to {interval.high:.4f}" if interval is not None else ""


def _curve(material: Material) -> Iterator[Block]:
    run = material.run
    svg = draw_looks(material.looks, run.spec.monitor, run.best_step, run.step if run.stop_reason else None)
    if svg:
        yield Picture(svg, f"{run.spec.monitor} at each look; the best marked, the end dashed", f"{run.id}.svg")


def _stopping(run: Run) -> Iterator[Block]:
    stopper = run.spec.stopper.model_dump()
    last = run.max_steps or run.spec.max_steps
    yield Heading("How it was stopped")
    yield Facts(
        [
            ("policy", render(stopper)),
            ("versions", _versions(stopper, run.mode.value)),
            ("a look every", f"{run.spec.validate_every:,} steps"),
            ("at most", f"{last:,} steps" if last is not None else "no limit"),
            ("steps taken", f"{run.step or 0:,}"),
            ("attempts", f"{run.attempt}"),
        ]
    )


def _versions(stopper: dict[str, Any], mode: Any) -> str:
    if mode == Mode.AUTO:
        return "-"
    policy = build(stopper, mode)
    return ", ".join(f"{part.name} {part.version}" for part in policy.parts or (policy,))


def _setup(run: Run) -> Iterator[Block]:
    yield Heading("What was trained")
    spec = run.spec
    source = getattr(spec.source, "name", None) or getattr(spec.source, "entry", None) or spec.source.kind
    rows = [("source", str(source)), ("data", spec.data or "-"), ("seed", str(spec.seed))]
    rows += [(name, str(value)) for name, value in sorted(spec.parameters.items())]
    if spec.forked_from is not None:
        rows.append(("forked from", f"{spec.forked_from.run} at step {spec.forked_from.step:,}"))
    rows += [("resume", f"{run.resume}{': ' + run.resume_note if run.resume_note else ''}")] if run.resume else []
    yield Facts(rows)
    environment = dict(run.environment or {})
    data = environment.pop("data", None)
    if isinstance(data, Mapping):
        yield from _splits(data)
    if environment:
        yield Heading("Environment", 3)
        yield Facts([(name, str(value)) for name, value in sorted(environment.items())])


def _splits(data: Mapping[str, Any]) -> Iterator[Block]:
    rows = [(name, f"{data[name].get('n', 0):,}", str(data[name].get("digest", ""))) for name in PARTS if name in data]
    yield Heading("Splits", 3)
    yield Facts(rows, ("part", "examples", "BLAKE3"))
