"""`submit`: turns a line on the terminal into a queued run."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from keepbest.cli.common import options
from keepbest.cli.common.output import print_json, say, warn
from keepbest.cli.common.yaml_file import COMMAND, File
from keepbest.cli.runs.after_dashes import AfterDashes
from keepbest.cli.runs.run_fields import check_examples, read_fields, warn_of_rates
from keepbest.cli.runs.signature import parse_settings
from keepbest.cli.runs.sources import check_source, open_command, open_source, send_with
from keepbest.cli.runs.watch import follow as follow_run
from keepbest.client.client import Client
from keepbest.contract.policies import PolicySpec
from keepbest.contract.runs import Run, RunRequest
from keepbest.contract.validate import request
from keepbest.errors import KeepbestError
from keepbest.stopping import build, render

_EXAMPLES = "keepbest submit my_model.py:build, or: keepbest submit -- python train.py"

app = typer.Typer(add_completion=False)


@app.command(cls=AfterDashes)
def submit(
    ctx: typer.Context,
    what: options.What = None,
    set: options.Set = None,
    data: options.Data = None,
    monitor: options.Monitor = None,
    mode: options.GetsBetter = None,
    patience: options.Patience = None,
    stop: options.Stop = None,
    shadow: options.InShadow = None,
    keep: options.Keep = None,
    select: options.Select = None,
    epochs: options.Epochs = None,
    max_steps: options.MaxSteps = None,
    validate_every: options.ValidateEvery = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    keep_examples: options.KeepExamples = 0,
    project: options.ToProject = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the run.", show_default="what it trains, and its number")
    ] = None,
    label: options.Label = None,
    tag: Annotated[list[str] | None, typer.Option(help="Word to find it by; repeatable.")] = None,
    priority: options.Priority = 0,
    stall: options.Stall = True,
    strict: options.Strict = False,
    folder: options.SentFolder = None,
    file: File = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Watch it to its end.")] = False,
    as_json: options.AsJson = False,
) -> int:
    """Queue a run: a recipe, a function of your own that returns model and data, or after `--` any command.

    Your code runs on the workers.
    """
    argv = ctx.meta[COMMAND]
    check_examples(argv, keep_examples)
    check_source(what, argv, _EXAMPLES)
    fields = read_fields(
        data=data, monitor=monitor, mode=mode, patience=patience, stop=stop, shadow=shadow, keep=keep, select=select,
        epochs=epochs, max_steps=max_steps, validate_every=validate_every, seed=seed, keep_examples=keep_examples,
        project=project, name=name, label=label, tag=tag, priority=priority, stall=stall, strict=strict,
    )  # fmt: skip
    with Client() as client:
        source = open_source(client, what, folder) if what is not None else open_command(argv or [], folder)
        parameters = parse_settings(set or [], source.signature, source.name)
        warn_of_rates(parameters.items())
        run_request = request(RunRequest, source=source.spec_for(parameters), parameters=parameters, **fields)
        run = send_with(client, source, lambda: client.submit(run_request))
        default = None if run_request.stopper else _find_default(client, run)
        if follow:
            return _follow(client, run, default, as_json)
        _show_submitted(run, default, as_json)
        return 0


def _find_default(client: Client, run: Run) -> PolicySpec | None:
    """Return the default stopper of the run's project if it is what stops this run."""
    with suppress(KeepbestError):  # the run is queued, whether the tracker answers this question or not
        default = client.rules(run.project).stopper
        # Like a run's stopper, with every parameter written out.
        settled = default and build(default.model_dump(), "max").to_json()
        return default if settled == run.spec.stopper.model_dump() else None
    return None


def _show_submitted(run: Run, default: PolicySpec | None, as_json: bool) -> None:
    """Print the queued run, the project's default if it stops the run, and the next command."""
    if as_json:
        print_json({**run.model_dump(mode="json"), "stopper_is_default_of_project": default is not None})
        return
    say(f"Submitted {run.id} ({run.name}, #{run.number} in {run.project}).")
    if default is not None:
        say(_say_default(run, default))
    say(f"next: keepbest watch {run.id}")


def _follow(client: Client, run: Run, default: PolicySpec | None, as_json: bool) -> int:
    """Name the queued run on stderr, and follow it to its end."""
    warn(f"Submitted {run.id} ({run.name}).")
    if default is not None:
        warn(_say_default(run, default))
    return follow_run(client, run.id, as_json)


def _say_default(run: Run, default: PolicySpec) -> str:
    return f"stops by {render(default.model_dump())}: the default of project {run.project}"
