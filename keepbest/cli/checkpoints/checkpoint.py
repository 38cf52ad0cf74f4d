"""`checkpoint show` and `checkpoint diff`: what is in a checkpoint, and how two differ."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from keepbest.checkpoint import Manifest, inspect
from keepbest.checkpoint.fetch import opened
from keepbest.checkpoint.files.folder import Folder
from keepbest.cli.common.formatting import number, whole
from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import Table, print_facts, print_json, print_table, say
from keepbest.cli.common.run_source import located_checkpoint
from keepbest.contract.checkpoints import CheckpointDiff, Variable, VariableDifference
from keepbest.errors import InvalidInput
from keepbest.figures import size
from keepbest.settings import load

checkpoint = typer.Typer(help="Look into checkpoints.", add_completion=False, no_args_is_help=True)
Reference = Annotated[str, typer.Argument(metavar="RUN|ID", help="A checkpoint's id; or a run's, for its best.")]


@checkpoint.command("show")
def show(
    reference: Reference,
    variable: Annotated[str | None, typer.Option(help="Only this variable, with its values.")] = None,
    slice: Annotated[str, typer.Option(help='Which of its values, as NumPy counts: "0:3,:".')] = "",
    as_json: AsJson = False,
) -> None:
    """List the variables with shape, type, figures and digest, and check every digest."""
    if slice and variable is None:
        raise InvalidInput("--slice needs --variable: it chooses the values of one variable.", field="slice")
    with found(reference) as (folder, manifest):
        if variable is not None:
            show_values(*inspect.values_of(folder, manifest, variable, slice), as_json)
            return
        listed = inspect.describe(folder, manifest)
    if as_json:
        print_json(listed)
        return
    heads = ("variable", "shape", "type", ">mean", ">std", ">min", ">max", ">norm", ">not finite", "digest")
    table = Table(heads, empty="The checkpoint has no variables.")
    for item in listed.variables:
        figures = (number(figure) for figure in (item.mean, item.std, item.min, item.max, item.norm))
        what = (f"{item.collection}/{item.path}", item.shape, item.dtype)
        table.add(*what, *figures, item.non_finite, item.digest[:12])
    say(f"checkpoint {manifest.id} of run {manifest.run}, step {manifest.step:,}, {size(manifest.size_bytes)}")
    print_table(table)


@checkpoint.command("diff")
def diff(
    first: Reference,
    second: Reference,
    all: Annotated[bool, typer.Option("--all", "-a", help="Also list equal variables.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say, variable by variable, what changed from the first to the second."""
    with found(first) as pair, found(second) as other:
        checkpoint_diff = inspect.compare(*pair, *other)
    if as_json:
        print_json(checkpoint_diff)
    else:
        show_diff(checkpoint_diff, all)


@contextmanager
def found(reference: str) -> Iterator[tuple[Folder, Manifest]]:
    """Yield folder and manifest of a checkpoint, from the store of this machine or else from the tracker."""
    settings = load()
    with (
        located_checkpoint(reference, settings) as (source, chosen),
        opened(source, chosen, settings.store) as store,
    ):
        yield store.folder, store.read_manifest(chosen.run, chosen.id)[0]


def show_values(variable: Variable, values: object, as_json: bool) -> None:
    import numpy as np

    if as_json:
        print_json({**variable.model_dump(mode="json"), "values": to_plain(np.asarray(values).astype(object).tolist())})
        return
    figures = {name: number(getattr(variable, name)) for name in ("mean", "std", "min", "max", "norm")}
    facts = [
        ("shape", str(variable.shape)),
        ("type", variable.dtype),
        *figures.items(),
        ("not finite", str(variable.non_finite)),
        ("digest", variable.digest),
    ]
    print_facts(f"{variable.collection}/{variable.path}", facts)
    say(np.array2string(np.asarray(values), threshold=200))


def to_plain(value: object) -> object:
    """Return values for JSON: a number that is not finite by its name, a complex number as text."""
    if isinstance(value, list):
        return [to_plain(item) for item in value]
    if isinstance(value, bool | int):
        return value
    try:
        as_float = float(value)  # type: ignore[arg-type]  # bfloat16 and the like
    except TypeError:
        return str(value)
    return as_float if math.isfinite(as_float) else str(as_float)


def show_diff(checkpoint_diff: CheckpointDiff, with_equal: bool) -> None:
    table = Table(("variable", "", ">changed", ">norm", ">relative"), empty="")
    for row in checkpoint_diff.variables:
        if with_equal or row.kind != "equal":
            figures = (whole(row.changed), number(row.norm), number(row.relative))
            table.add(f"{row.collection}/{row.path}", row.kind, *figures)
    if table.rows:
        print_table(table)
    equal = sum(row.kind == "equal" for row in checkpoint_diff.variables)
    verdict = "they are equal to the last bit" if checkpoint_diff.equal else _worst(checkpoint_diff.variables)
    say(f"{equal} of {len(checkpoint_diff.variables)} variables are equal; {verdict}.")


def _worst(rows: list[VariableDifference]) -> str:
    changed = [row for row in rows if row.relative is not None and row.kind == "differs"]
    most = max(changed, key=lambda row: row.relative or 0.0, default=None)
    return f"{most.path} changed most" if most is not None else "the networks differ"
