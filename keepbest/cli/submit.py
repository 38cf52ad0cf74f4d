"""`submit`: from a line on the terminal to a queued run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from keepbest.bundle import pack
from keepbest.cli.asking import request
from keepbest.cli.options import AsJson
from keepbest.cli.output import print_json, say, warn
from keepbest.cli.signature import Signature, parse_settings, read_signature
from keepbest.cli.watch import follow as follow_run
from keepbest.cli.words import size
from keepbest.client import Client
from keepbest.contract.policies import PolicySpec, RetentionSpec
from keepbest.contract.runs import CodeSource, Mode, RecipeSource, Run, RunRequest
from keepbest.errors import InvalidInput, NotFound
from keepbest.settings import load
from keepbest.stopping import parse as parse_stopper

What = Annotated[
    str, typer.Argument(metavar="RECIPE|FILE.py[:FUNCTION]", help="What to train; the function is `build`.")
]
Set = Annotated[list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE", help="A parameter; repeatable.")]
Patience = Annotated[
    str | None, typer.Option(help="Stop after this long without a new best: `1000steps`, or `10` looks.")
]
Stop = Annotated[str | None, typer.Option(help="When to stop: `patience(10, min_delta=0.001) | max_seconds(3600)`.")]
Keep = Annotated[
    str | None, typer.Option(metavar="best=K,last=K,every=STEPS", help="Checkpoints that stay; the best and the last.")
]
Label = Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only on workers with it; repeatable.")]


@dataclass(frozen=True, slots=True)
class Source:
    """What is trained, what it takes, and what errors call it."""

    spec: RecipeSource | CodeSource
    signature: Signature
    name: str


def submit(
    what: What,
    set: Set = None,
    data: Annotated[str | None, typer.Option(help="Data set of a recipe.")] = None,
    monitor: Annotated[str | None, typer.Option(help="Metric that says which model is best.")] = None,
    mode: Annotated[Mode | None, typer.Option(help="Which way the metric gets better.")] = None,
    patience: Patience = None,
    stop: Stop = None,
    keep: Keep = None,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Stop here at the latest.")] = None,
    validate_every: Annotated[int | None, typer.Option(min=1, help="Steps between looks.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    project: Annotated[str | None, typer.Option("--project", "-p", help="Project; made if it is new.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run.")] = None,
    label: Label = None,
    tag: Annotated[list[str] | None, typer.Option(help="Word to find it by; repeatable.")] = None,
    priority: Annotated[int, typer.Option(min=-100, max=100, help="Higher ones are trained first.")] = 0,
    folder: Annotated[Path | None, typer.Option(help="Folder sent with FILE.py; its own folder otherwise.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Watch it to its end.")] = False,
    as_json: AsJson = False,
) -> int:
    """Queue a run: a recipe, or a function of your own that returns model and data. Your code runs on the workers."""
    stopper = choose_stopper(patience, stop)
    labels = parse_labels(label or [])
    with Client() as client:
        source = open_source(client, what, folder)
        asked = request(
            RunRequest,
            project=project or load().project,
            name=name,
            source=source.spec,
            parameters=parse_settings(set or [], source.signature, source.name),
            data=data,
            monitor=monitor,
            mode=mode,
            stopper=stopper,
            retention=parse_keep(keep) if keep is not None else None,
            max_steps=max_steps,
            validate_every=validate_every,
            seed=seed,
            labels=labels,
            tags=tag or [],
            priority=priority,
        )
        run = client.submit(asked)
        if not follow:
            show_submitted(run, as_json)
            return 0
        warn(f"Submitted {run.id} ({run.name}).")
        return follow_run(client, run.id, as_json)


def show_submitted(run: Run, as_json: bool) -> None:
    if as_json:
        print_json(run)
        return
    say(f"Submitted {run.id} ({run.name}, #{run.number} in {run.project}).")
    say(f"next: keepbest watch {run.id}")


def choose_stopper(patience: str | None, stop: str | None) -> PolicySpec | None:
    """`--patience` is short for a `--stop` of that patience which does not go on with NaN either."""
    if patience is not None and stop is not None:
        raise InvalidInput(
            "--patience and --stop exclude each other.", field="patience", hint=f"--stop '{patience} | {stop}'"
        )
    text = f"{patience} | check_finite()" if patience is not None else stop
    return None if text is None else request(PolicySpec, **parse_stopper(text))


def parse_keep(text: str) -> RetentionSpec:
    """Read `best=3,last=2,every=1000`; what is not said keeps its default."""
    names = {"best": "best", "last": "last", "every": "every_steps"}
    pairs = [part.partition("=") for part in text.split(",")]
    given = {names.get(name.strip(), ""): count.strip() for name, _, count in pairs}
    if "" in given or len(given) != len(pairs) or not all(count.isdecimal() for count in given.values()):
        raise InvalidInput(f"{text!r} does not say what to keep.", field="keep", hint="Like best=3,last=2,every=1000.")
    return request(RetentionSpec, **{name: int(count) for name, count in given.items()})


def parse_labels(pairs: list[str]) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs]
    wrong = next((pair for pair, (key, sign, _) in zip(pairs, split, strict=True) if not key or not sign), None)
    if wrong is not None:
        raise InvalidInput(f"--label takes key=value, but got {wrong!r}.", field="label")
    return {key: value for key, _, value in split}


def open_source(client: Client, what: str, folder: Path | None) -> Source:
    """Find a recipe's parameters with the tracker; read a file's, check it and send its folder."""
    file, function = split_file(what)
    if file is None:
        return open_recipe(client, what)
    signature = read_signature(file, function)
    root = (folder or file.parent).resolve()
    entry = _entry(file, root, function)
    packed = pack(root)
    _check_sent(packed.files, entry.partition(":")[0], root)
    for link in packed.skipped:
        warn(f"Left out, because it leads out of {root}: {link}")
    bundle = client.add_bundle(packed.content)
    count = len(packed.files)
    warn(f"Sent {count} file{'s' * (count != 1)} of {root} ({size(len(packed.content))}).")
    spec = request(CodeSource, bundle=bundle.digest, entry=entry, signature=list(signature.parameters))
    return Source(spec, signature, f"{file.name}:{function}")


def open_recipe(client: Client, name: str) -> Source:
    """A recipe that no worker has announced is left to the tracker to judge."""
    found = next((recipe for recipe in client.recipes().recipes if recipe.name == name), None)
    signature = Signature(tuple(found.parameters)) if found else Signature((), takes_any=True)
    return Source(request(RecipeSource, name=name), signature, f"Recipe {name}")


def split_file(what: str) -> tuple[Path | None, str]:
    """`my_model.py:build` -> (path, function); (None, "") for a recipe's name."""
    path, sign, function = what.rpartition(":")
    if sign and path.endswith(".py"):
        return Path(path), function or "build"
    if what.endswith(".py"):
        return Path(what), "build"
    if Path(what).exists() and not what.isidentifier():
        raise InvalidInput(f"{what} is not a Python file.", field="source", hint="Name a file: my_model.py:build")
    return None, ""


def _entry(file: Path, root: Path, function: str) -> str:
    try:
        return f"{file.resolve().relative_to(root).as_posix()}:{function}"
    except ValueError:
        raise InvalidInput(f"{file} does not lie in {root}.", field="folder") from None


def _check_sent(files: tuple[str, ...], wanted: str, root: Path) -> None:
    if wanted not in files:
        raise NotFound(
            f"{wanted} is not sent: a .gitignore in {root} leaves it out.", field="source", hint="Take it out of there."
        )
