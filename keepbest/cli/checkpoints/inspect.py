"""`inspect`: variables, activations and gradients of a checkpoint, on any example of the run's data."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from keepbest.checkpoint.fetch import opened
from keepbest.checkpoint.inspect import values_of
from keepbest.checkpoint.local_runs import CheckpointSource
from keepbest.cli.checkpoints.fresh_process import ask_fresh, need_tensorflow
from keepbest.cli.common import tensors
from keepbest.cli.common.errors import Exit
from keepbest.cli.common.options import AsJson, DataFolder, RunId
from keepbest.cli.common.output import Table, print_json, print_table, say, warn
from keepbest.cli.common.run_source import Located, located
from keepbest.cli.common.tensors import NamedTensor
from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.runs import CodeSource, RecipeSource
from keepbest.contract.tensors import Findings, Inquiry, PartName, TensorRequest, Verdicts
from keepbest.errors import InvalidInput, NotFound
from keepbest.figures import figure
from keepbest.settings import Settings, load

STEP = "The checkpoint of this step; 0: the model built anew with the run's seed, which is what training began with."
EXAMPLES = "Examples A up to B; usual: the first with --activation, else all."
Step = Annotated[int | None, typer.Option(min=0, help=STEP)]
Names = Annotated[list[str] | None, typer.Option(metavar="NAME", help="A weight matrix or the like; repeatable.")]
Layers = Annotated[
    list[str] | None,
    typer.Option(metavar="LAYER", help="What a layer gives; LAYER:before: what its activation function gets."),
]
Gradients = Annotated[list[str] | None, typer.Option(metavar="NAME", help="The gradient of the loss by a variable.")]
Cut = Annotated[str, typer.Option("--slice", help='Which values, as NumPy counts: "380" or "0:3,:"; all are printed.')]


@dataclass(frozen=True)
class Place:
    """What to inspect: a checkpoint of a run, or with None the model before its first step."""

    where: Located
    checkpoint: Checkpoint | None

    def __str__(self) -> str:
        if self.checkpoint is None:
            seed = self.where.run.spec.seed if self.where.run is not None else "of the run"
            return f"run {self.where.id}, step 0: built anew with seed {seed}"
        return f"run {self.where.id}, checkpoint {self.checkpoint.id} of step {self.checkpoint.step:,}"


def inspect(
    run: RunId,
    best: Annotated[bool, typer.Option("--best", help="The best checkpoint (also when nothing is said).")] = False,
    last: Annotated[bool, typer.Option("--last", help="The last checkpoint.")] = False,
    step: Step = None,
    checkpoint: Annotated[str | None, typer.Option(help="The checkpoint with this id.")] = None,
    variable: Names = None,
    activation: Layers = None,
    gradient: Gradients = None,
    loss: Annotated[bool, typer.Option("--loss", help="The loss, as an evaluation measures it.")] = False,
    list_all: Annotated[bool, typer.Option("--list", help="Name every variable and every layer.")] = False,
    example: Annotated[int | None, typer.Option(min=0, help="Only this example of the part.")] = None,
    examples: Annotated[str | None, typer.Option(metavar="A:B", help=EXAMPLES)] = None,
    part: Annotated[PartName, typer.Option(help="Part of the data.")] = "validation",
    total: Annotated[bool, typer.Option("--sum", help="Sum the loss over the examples; no mean.")] = False,
    slice: Cut = "",
    image: Annotated[Path | None, typer.Option(help="Write it as a PNG, where two axes are left.")] = None,
    npy: Annotated[Path | None, typer.Option(help="Write the values as NumPy's .npy.")] = None,
    data_dir: DataFolder = None,
    as_json: AsJson = False,
) -> int:
    """Show variables, activations and gradients; all but variables are computed in a fresh process."""
    if sum((best, last, step is not None, checkpoint is not None)) > 1:
        raise InvalidInput("--best, --last, --step and --checkpoint exclude each other.", field="step")
    wanted = [TensorRequest(kind="variable", name=name) for name in variable or []]
    wanted += [TensorRequest(kind="activation", name=name) for name in activation or []]
    wanted += [TensorRequest(kind="gradient", name=name) for name in gradient or []]
    wanted += [TensorRequest(kind="loss")] if loss else []
    check_wanted(wanted, list_all, slice, image, npy)
    first, stop = read_examples(example, examples, is_one=bool(activation))
    asks = Inquiry(wanted=wanted, part=part, first=first, stop=stop, total=total, everything=list_all)
    settings = load()
    with located(run, settings) as where:
        place = find_place(where, last, step, checkpoint)
        if all(request.kind == "variable" for request in wanted) and not list_all and place.checkpoint is not None:
            named_tensors, findings = read_variables(where.source, place.checkpoint, settings, wanted), None
        else:
            named_tensors, findings = look_inside(place, settings, asks, data_dir)
    if image is not None:
        tensors.save_picture(named_tensors[0], slice, image)
    if npy is not None:
        tensors.save_array(named_tensors[0], slice, npy)
    if as_json:
        print_json(to_json(place, asks, named_tensors, findings, slice))
    else:
        show(place, asks, named_tensors, findings, slice)
    return Exit.OK


def check_wanted(wanted: list[TensorRequest], list_all: bool, *files: Path | str | None) -> None:
    """Refuse a command line without tensors, or with several tensors for one file."""
    if list_all == bool(wanted):
        message = "Name what to show: --variable, --activation, --gradient or --loss; or --list for all names."
        raise InvalidInput(message, field="list")
    if any(files) and len(wanted) != 1:
        raise InvalidInput("--slice, --image and --npy need exactly one tensor.", field="slice")


def read_examples(example: int | None, examples: str | None, *, is_one: bool) -> tuple[int, int | None]:
    """Return the first example and the one after the last; None: all from the first on."""
    if example is not None and examples is not None:
        raise InvalidInput("--example and --examples exclude each other.", field="examples")
    if example is not None:
        return example, example + 1
    if examples is None:
        return 0, 1 if is_one else None
    match = re.fullmatch(r"(\d{0,15}):(\d{0,15})", examples)
    first, stop = (int(match[1] or 0), int(match[2]) if match[2] else None) if match else (0, 0)
    if stop is not None and stop <= first:
        raise InvalidInput(f"{examples!r} names no examples.", field="examples", hint="For example: --examples 0:10")
    return first, stop


def find_place(where: Located, last: bool, step: int | None, checkpoint: str | None) -> Place:
    """Return the chosen checkpoint; step 0 needs none."""
    try:
        return Place(where, where.choose(which="last" if last else "best", step=step, id=checkpoint))
    except NotFound:
        if step != 0 or checkpoint is not None:
            raise
        return Place(where, None)


def read_variables(
    source: CheckpointSource, chosen: Checkpoint, settings: Settings, wanted: list[TensorRequest]
) -> list[NamedTensor]:
    """Read variables from their files, without TensorFlow."""
    with opened(source, chosen, settings.store) as store:
        manifest, _ = store.read_manifest(chosen.run, chosen.id)
        read = [values_of(store.folder, manifest, request.name) for request in wanted]
    return [
        NamedTensor("variable", f"{variable.collection}/{variable.path}", variable.dtype, array)
        for variable, array in read
    ]


def look_inside(
    place: Place, settings: Settings, inquiry: Inquiry, data: Path | None
) -> tuple[list[NamedTensor], Findings]:
    """Have a fresh process build model and data as the trainer did, load the checkpoint, and answer."""
    import numpy as np

    hint = f"--variable works; for the rest, in Python: model = keepbest.restore({place.where.id!r}, model)"
    run = place.where.need_run("Looking at layers and losses", hint)
    if not isinstance(run.spec.source, RecipeSource | CodeSource):
        message = f"A script of its own trained run {run.id}, so its model cannot be built here."
        raise InvalidInput(message, field="run", hint=hint)
    need_tensorflow("Looking at activations, gradients and losses", "--variable works without, but for --step 0")
    warn("Building model and data in a fresh process …")
    with tempfile.TemporaryDirectory(prefix="keepbest-") as name:
        folder = Path(name)
        chosen = place.checkpoint.id if place.checkpoint is not None else "-"
        fields = ask_fresh(folder, settings, data, "worker.checks.inspect", run.id, chosen, inquiry.model_dump_json())
        findings = Findings.model_validate(fields)
        if inquiry.everything:
            return [], findings
        arrays = [np.load(folder / f"{number}.npy", allow_pickle=False) for number in range(len(findings.tensors))]
    named = zip(findings.tensors, arrays, strict=True)
    return [
        NamedTensor(item.kind, item.name, item.dtype, _of_one(item.kind, array, inquiry)) for item, array in named
    ], findings


def _of_one(kind: str, array: Any, inquiry: Inquiry) -> Any:
    """Return a layer's output for a single example without the axis of examples."""
    is_one = inquiry.stop is not None and inquiry.stop - inquiry.first == 1
    return array[0] if kind == "activation" and is_one and array.ndim and array.shape[0] == 1 else array


def show(
    place: Place, inquiry: Inquiry, named_tensors: list[NamedTensor], findings: Findings | None, slices: str
) -> None:
    say(str(place))
    if findings is not None and inquiry.everything:
        table = Table(("kind", "name", "shape", "type"))
        for named in findings.tensors:
            table.add(named.kind, named.name, named.shape, named.dtype)
        print_table(table)
        return
    if findings is not None and findings.examples is not None:
        how = "the sum" if inquiry.total else "the run's loss"
        say(f"loss and gradients: {how} over {findings.examples:,} examples from {inquiry.first} of {inquiry.part}")
    if findings is not None and findings.verdicts is not None:
        show_verdicts(findings.verdicts, inquiry)
    for named_tensor in named_tensors:
        say()
        tensors.show(named_tensor, slices)


def show_verdicts(verdicts: Verdicts, inquiry: Inquiry) -> None:
    """Print one example with all its probabilities, several examples as rows of labels and answers."""
    names = verdicts.classes
    if len(verdicts.labels) > 1:
        say(f"examples {inquiry.first}:{inquiry.stop} of {inquiry.part}")
        say(f"label  {' '.join(names[label] for label in verdicts.labels)}")
        say(f"argmax {' '.join(names[number] for number in verdicts.argmax)}")
        return
    say(f"example {inquiry.first} of {inquiry.part}: label {names[verdicts.labels[0]]}")
    table = Table(("class", ">probability", ""))
    for place, value in enumerate(verdicts.probabilities[0]):
        table.add(names[place], figure(value, 9), "argmax" if place == verdicts.argmax[0] else "")
    print_table(table)


def to_json(
    place: Place, inquiry: Inquiry, named_tensors: list[NamedTensor], findings: Findings | None, slices: str
) -> dict[str, Any]:
    checkpoint = place.checkpoint
    return {
        "run": place.where.id,
        "checkpoint": checkpoint.id if checkpoint is not None else None,
        "step": checkpoint.step if checkpoint is not None else 0,
        "inquiry": inquiry.model_dump(mode="json"),
        "findings": findings.model_dump(mode="json") if findings is not None else None,
        "tensors": [tensors.describe(named_tensor, slices) for named_tensor in named_tensors],
    }
