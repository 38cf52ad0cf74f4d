"""`restore`: a checkpoint as files, and the proof that it is what was recorded."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from keepbest.checkpoint.export import Format, export
from keepbest.checkpoint.fetch import Which, opened
from keepbest.checkpoint.local import Source
from keepbest.cli.changed import Target, show_plan
from keepbest.cli.failing import Exit
from keepbest.cli.fresh import ask_fresh, need_tensorflow
from keepbest.cli.located import located
from keepbest.cli.options import AsJson, DataFolder, RunId
from keepbest.cli.output import hushed, print_json, say, warn
from keepbest.cli.words import size
from keepbest.client import Client
from keepbest.contract.checkpoints import Checkpoint, Receipt
from keepbest.contract.runs import Run
from keepbest.errors import InvalidInput
from keepbest.settings import Settings, load

NEEDS_TENSORFLOW: frozenset[Format] = frozenset({"keras", "weights", "tf", "savedmodel"})
To = Annotated[Path | None, typer.Option(help="Folder to write to; made if it is new.")]
As = Annotated[Format, typer.Option("--as", help="Format of the files.")]


def restore(
    run: RunId,
    best: Annotated[bool, typer.Option("--best", help="The first strict raw best, whatever was selected.")] = False,
    last: Annotated[bool, typer.Option("--last", help="The last checkpoint.")] = False,
    step: Annotated[int | None, typer.Option(min=0, help="The checkpoint of this step.")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="The checkpoint with this id.")] = None,
    to: To = None,
    form: As = "keras",
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that has files in it.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Measure it in a fresh process; print the receipt.")] = False,
    into: Annotated[
        str | None, typer.Option(metavar="MODEL", help="A network of yours: FILE.py:function, or FILE.keras.")
    ] = None,
    set: Annotated[list[str] | None, typer.Option(help="A parameter of that function, key=value; repeatable.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say what would go where in --into, and do nothing.")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Take what fits; the rest of --into stays new.")] = False,
    map: Annotated[list[str] | None, typer.Option(metavar="OLD=NEW", help="Names that belong together.")] = None,
    data_dir: DataFolder = None,
    as_json: AsJson = False,
) -> int:
    """Write a checkpoint to files, digests checked; --verify proves that it gives the recorded value.

    If nothing is said: what the run's selector chose at its end, else the best.
    """
    if sum((best, last, step is not None, checkpoint is not None)) > 1:
        raise InvalidInput("--best, --last, --step and --checkpoint exclude each other.", field="step")
    target = Target(into, set or [], map or [], partial) if into is not None else None
    check_changed(target, form, plan or partial or bool(set or map))
    if not plan:
        check_target(to, force, verify)
    settings = load()
    with located(run, settings) as found:
        which: Which = "last" if last else "best" if best else "selected"
        chosen = found.choose(which=which, step=step, id=checkpoint)
        if target is not None and plan:
            return plan_only(found.source, chosen, settings, target, as_json)
        if verify:
            check_measurable(found.need_run("--verify", "--to writes it without."), chosen)
        if to is not None:
            path = write(found.source, chosen, settings, to, form, target)
            warn(f"Wrote checkpoint {chosen.id} of step {chosen.step:,} ({size(chosen.size_bytes)}) to {path}")
        if verify:
            return show_receipt(settings, measure(settings, chosen, data_dir), as_json)
    if as_json:
        print_json(chosen)
    return Exit.OK


def check_target(to: Path | None, force: bool, verify: bool) -> None:
    """Nothing of the user's is overwritten unasked."""
    if to is None and not verify:
        raise InvalidInput("Where to? Say --to DIR, or --verify.", field="to")
    if to is not None and to.exists() and not to.is_dir():
        raise InvalidInput(f"{to} is a file.", field="to")
    if to is not None and to.is_dir() and any(to.iterdir()) and not force:
        raise InvalidInput(f"{to} has files in it.", field="to", hint="Name a new folder, or say --force.")


def check_measurable(run: Run, chosen: Checkpoint) -> None:
    """Only what the validation set gave at a look can be measured again."""
    if not run.spec.monitor.startswith("val_"):
        raise InvalidInput(
            f"{run.spec.monitor} is not measured on the validation set: it cannot be measured again.", field="verify"
        )
    if chosen.value is None:
        raise InvalidInput(
            f"Checkpoint {chosen.id} of step {chosen.step:,} was written between two looks: it has no value.",
            field="verify",
            hint=f"keepbest restore {run.id} --best --verify",
        )


def check_changed(target: Target | None, form: Format, is_meant: bool) -> None:
    """What is said of a changed network needs one, and a format that holds one."""
    if target is None and is_meant:
        hint = "A function that returns your model: --into my_model.py:build"
        raise InvalidInput(
            "--plan, --partial, --map and --set are about a network: say --into.", field="into", hint=hint
        )
    if target is not None and form not in NEEDS_TENSORFLOW:
        raise InvalidInput(f"--as {form} holds the checkpoint as it is: leave out --into.", field="into")


def plan_only(source: Source, chosen: Checkpoint, settings: Settings, target: Target, as_json: bool) -> int:
    """Print what would go where; the status says whether all is the same."""
    need_tensorflow("--plan", "run it where the model can be built")
    with hushed(), opened(source, chosen, settings.store) as store:
        planned = store.load(chosen.run, chosen.id).plan(target.build(), target.renames)
    show_plan(planned, as_json)
    return Exit.OK if planned.is_same else Exit.PLAN_DIFFERS


def write(
    source: Source, chosen: Checkpoint, settings: Settings, to: Path, form: Format, target: Target | None = None
) -> Path:
    """Load a checkpoint, from the store here or from the tracker, and write it to `to`."""
    if form in NEEDS_TENSORFLOW:
        need_tensorflow(f"--as {form}", "`--as safetensors` and `--as npz` work without")
    with hushed(), opened(source, chosen, settings.store) as store:
        loaded = store.load(chosen.run, chosen.id)
        model, planned = target.fill(loaded) if target is not None else (None, None)
        return export(store, loaded, to, form, model=model, plan=planned)


def measure(settings: Settings, chosen: Checkpoint, data: Path | None = None) -> Receipt:
    """Restore and evaluate in a process that never trained; raises the error that it met."""
    need_tensorflow("--verify", "run it where the worker runs")
    warn("Measuring the restored model in a fresh process …")
    with tempfile.TemporaryDirectory(prefix="keepbest-") as folder:
        said = ask_fresh(Path(folder), settings, data, "worker.verify", chosen.run, chosen.id)
    return Receipt.model_validate(said["receipt"])


def show_receipt(settings: Settings, receipt: Receipt, as_json: bool) -> int:
    """Print the receipt and leave it with the tracker."""
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
