"""`restore`: writes a checkpoint to files, and proves that it gives the recorded value."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from keepbest.checkpoint.fetch import Which, opened
from keepbest.checkpoint.local_runs import CheckpointSource
from keepbest.cli.checkpoints.fresh_process import ask_fresh, need_tensorflow
from keepbest.cli.checkpoints.partial import Target, show_plan
from keepbest.cli.checkpoints.rebuild import NEEDS_TENSORFLOW, Rebuilding
from keepbest.cli.common.errors import Exit
from keepbest.cli.common.options import AsJson, DataFolder, RunOrAlias
from keepbest.cli.common.output import hushed, print_json, say, warn
from keepbest.cli.common.run_source import Located, located
from keepbest.client.client import Client
from keepbest.contract.checkpoints import Checkpoint, Receipt
from keepbest.contract.restores import CheckResult, Format
from keepbest.contract.runs import CodeSource, Run
from keepbest.errors import InvalidInput
from keepbest.figures import figure, size
from keepbest.settings import Settings, load

To = Annotated[Path | None, typer.Option(help="Folder to write to; made if it is new.")]
As = Annotated[Format, typer.Option("--as", help="Format of the files.")]
Check = Annotated[
    bool, typer.Option("--check", help="Compare its predictions for recorded examples, in a fresh process.")
]
Tolerance = Annotated[
    float | None,
    typer.Option(min=0, help="Of --check, as a part of the greatest prediction; usual: 1e-5."),
]
AllowCode = Annotated[bool, typer.Option("--allow-code", help="Run the code of Lambda layers that the run stored.")]


def restore(
    run: RunOrAlias,
    best: Annotated[bool, typer.Option("--best", help="The best validation's, whatever was selected.")] = False,
    last: Annotated[bool, typer.Option("--last", help="The last checkpoint.")] = False,
    step: Annotated[int | None, typer.Option(min=0, help="The checkpoint of this step.")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="The checkpoint with this id.")] = None,
    to: To = None,
    form: As = "keras",
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that has files in it.")] = False,
    check: Check = False,
    tolerance: Tolerance = None,
    verify: Annotated[bool, typer.Option("--verify", help="Measure it in a fresh process; print the receipt.")] = False,
    into: Annotated[
        str | None, typer.Option(metavar="MODEL", help="A network of yours: FILE.py:function, or FILE.keras.")
    ] = None,
    set: Annotated[list[str] | None, typer.Option(help="A parameter of that function, key=value; repeatable.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show which variables fit into --into; change nothing.")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Restore only the variables that fit.")] = False,
    map: Annotated[list[str] | None, typer.Option(metavar="OLD=NEW", help="Names that belong together.")] = None,
    allow_code: AllowCode = False,
    data_dir: DataFolder = None,
    as_json: AsJson = False,
) -> int:
    """Write a checkpoint to files and check its digests; --verify proves that it gives the recorded value, --check that
    it gives the recorded predictions.

    By default the checkpoint that the run's selector chose at its end, else the best.
    """
    if sum((best, last, step is not None, checkpoint is not None)) > 1:
        raise InvalidInput("--best, --last, --step and --checkpoint exclude each other.", field="step")
    target = Target(into, set or [], map or [], partial) if into is not None else None
    check_changed(target, form, plan or bool(set or map))
    if not plan:
        check_target(to, force, verify, check)
    settings = load()
    with located(run, settings) as result:
        if result.named is not None and (best or last or step is not None or checkpoint is not None):
            raise InvalidInput(f"{run} names a checkpoint: leave out --best, --last, --step and --checkpoint.")
        which: Which = "last" if last else "best" if best else "selected"
        chosen = result.choose(which=which, step=step, id=checkpoint)
        rebuilding = Rebuilding(result, chosen, settings, form, _for_run(target, result), partial, allow_code, data_dir)
        if rebuilding.target is not None and plan:
            return plan_only(result.source, chosen, settings, rebuilding.target, as_json)
        if verify:
            check_measurable(result.need_run("--verify", "--check needs the store only."), chosen)
        path = rebuilding.write(to) if to is not None else None
        if path is not None:
            warn(f"Wrote checkpoint {chosen.id} of step {chosen.step:,} ({size(chosen.size_bytes)}) to {path}")
        if check:
            return show_checked(rebuilding.check(path, tolerance), as_json)
        if verify:
            return show_receipt(settings, measure(settings, chosen, data_dir), as_json)
    if as_json:
        print_json(chosen)
    return Exit.OK


def _for_run(target: Target | None, result: Located) -> Target | None:
    """Give the target the run's parameters, if the run trained code; a recipe's parameters do not fit a function."""
    spec = result.run.spec if result.run is not None else None
    if target is None or spec is None or not isinstance(spec.source, CodeSource):
        return target
    return replace(target, run=spec)


def check_target(to: Path | None, force: bool, verify: bool, check: bool) -> None:
    """Refuse a command line that writes nowhere, or into a folder with files without --force."""
    if verify and check:
        raise InvalidInput("--verify and --check exclude each other.", field="check", hint="Run restore twice.")
    if to is None and not verify and not check:
        raise InvalidInput("restore needs --to DIR, --verify or --check.", field="to")
    if to is not None and to.exists() and not to.is_dir():
        raise InvalidInput(f"The path {to} is a file.", field="to", hint="Name a folder.")
    if to is not None and to.is_dir() and any(to.iterdir()) and not force:
        raise InvalidInput(f"The folder {to} is not empty.", field="to", hint="Name a new folder, or add --force.")


def check_measurable(run: Run, chosen: Checkpoint) -> None:
    """Refuse a checkpoint whose value cannot be measured again on the validation set."""
    if not run.spec.monitor.startswith("val_"):
        raise InvalidInput(
            f"Run {run.id} monitors {run.spec.monitor}, which is not measured on the validation set.", field="verify"
        )
    if chosen.value is None:
        raise InvalidInput(
            f"Checkpoint {chosen.id} of step {chosen.step:,} has no value: it was written between two validations.",
            field="verify",
            hint=f"keepbest restore {run.id} --best --verify",
        )


def check_changed(target: Target | None, form: Format, is_meant: bool) -> None:
    """Refuse options for a network without --into, and --into with a format that holds no network."""
    if target is None and is_meant:
        hint = "Name a function that returns your model: --into my_model.py:build"
        raise InvalidInput("--plan, --map and --set need --into.", field="into", hint=hint)
    if target is not None and form not in NEEDS_TENSORFLOW:
        raise InvalidInput(f"--as {form} holds the checkpoint without a network: leave out --into.", field="into")


def plan_only(source: CheckpointSource, chosen: Checkpoint, settings: Settings, target: Target, as_json: bool) -> int:
    """Print the plan; the exit status says whether the two networks are the same."""
    need_tensorflow("--plan", "run it where the model can be built")
    with hushed(), opened(source, chosen, settings.store) as store:
        loaded = store.load(chosen.run, chosen.id)
        planned = loaded.plan(target.build(loaded.manifest.inputs), target.renames)
    show_plan(planned, as_json)
    return Exit.OK if planned.is_same else Exit.PLAN_DIFFERS


def measure(settings: Settings, chosen: Checkpoint, data: Path | None = None) -> Receipt:
    """Restore and evaluate in a fresh process; raises the error of that process."""
    need_tensorflow("--verify", "run it where the worker runs")
    warn("Measuring the restored model in a fresh process …")
    with tempfile.TemporaryDirectory(prefix="keepbest-") as folder:
        fields = ask_fresh(Path(folder), settings, data, "worker.checks.verify", chosen.run, chosen.id)
    return Receipt.model_validate(fields["receipt"])


def show_checked(checked: CheckResult, as_json: bool) -> int:
    """Print recorded and restored predictions, and whether their difference is within the tolerance."""
    if as_json:
        print_json(checked)
    else:
        what = f"the file written as {checked.form}" if checked.form is not None else "the checkpoint"
        say(f"recorded   {_numbers(checked.recorded)} for {checked.examples} examples at step {checked.step:,}")
        say(f"restored   {_numbers(checked.restored)} from {what}, in a fresh process")
        apart = (
            "they are of another shape, or not finite" if checked.difference is None else figure(checked.difference, 3)
        )
        verdict = "within" if checked.within else "over"
        say(f"difference {apart} at most, {verdict} the tolerance of {figure(checked.tolerance, 3)}")
    return Exit.OK if checked.within else Exit.RECEIPT_DIFFERS


def _numbers(values: list[float]) -> str:
    return f"[{', '.join(figure(value, 7) for value in values)}, …]" if values else "texts"


def show_receipt(settings: Settings, receipt: Receipt, as_json: bool) -> int:
    """Print the receipt and send it to the tracker."""
    with Client(settings=settings) as client:
        kept = client.add_receipt(receipt)
    if as_json:
        print_json(kept)
    else:
        examples = f" on {receipt.n:,} examples" if receipt.n is not None else ""
        say(f"recorded   {receipt.monitor} {receipt.recorded!r} at step {receipt.step:,}")
        say(f"restored   {receipt.monitor} {receipt.restored!r}{examples}, in a fresh process")
        say(f"difference {receipt.difference!r}{' (equal to the last bit)' if receipt.equal else ''}")
    return Exit.OK if receipt.equal else Exit.RECEIPT_DIFFERS
