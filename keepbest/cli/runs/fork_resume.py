"""`fork` begins a new run at a checkpoint of another; `resume` lets an ended run go on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from keepbest.cli.common.formatting import changes
from keepbest.cli.common.options import AsJson, RunId
from keepbest.cli.common.output import print_json, say
from keepbest.cli.runs.commands import warn_of_rate
from keepbest.cli.runs.last_step import Epochs, last_step
from keepbest.cli.runs.watch import follow as follow_run
from keepbest.client.client import Client
from keepbest.contract.overrides import ForkRequest, Overrides, ResumeRequest
from keepbest.contract.runs import ExternalSource, Run
from keepbest.contract.validate import request

Place = Literal["best", "last"]
To = Annotated[Place | None, typer.Option(help="The best checkpoint, or the last.")]
AtStep = Annotated[int | None, typer.Option("--step", min=0, help="The checkpoint of this step.")]
Named = Annotated[str | None, typer.Option("--checkpoint", help="This checkpoint.")]
LearningRate = Annotated[
    str | None, typer.Option(help="`3e-5`, or `0.1x` of what it is in that checkpoint.", metavar="RATE")
]
MaxSteps = Annotated[int | None, typer.Option(min=1, help="Stop here at the latest from now on.")]
ResetPatience = Annotated[bool, typer.Option("--reset-patience", help="Begin to wait anew.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Watch it to its end; the exit status is the run's.")]


def fork(
    run: RunId,
    to: To = None,
    step: AtStep = None,
    checkpoint: Named = None,
    learning_rate: LearningRate = None,
    max_steps: MaxSteps = None,
    epochs: Epochs = None,
    reset_patience: ResetPatience = False,
    name: Annotated[str | None, typer.Option(help="Name of the new run.")] = None,
    project: Annotated[str | None, typer.Option("--project", "-p", help="Its project; made if it is new.")] = None,
    follow: Follow = False,
    as_json: AsJson = False,
) -> int:
    """Queue a new run of the same spec that begins at a checkpoint of RUN: at its best, unless another is named."""
    with Client() as client:
        last = last_step(client, run, max_steps, epochs)
        place = _departure(to, step, checkpoint, learning_rate, last, reset_patience)
        fork_request = request(ForkRequest, **place, name=name, project=project)
        made = client.fork(run, fork_request)
        return _conclude(client, made, _describe_fork(made, fork_request), follow, as_json)


def resume(
    run: RunId,
    to: To = None,
    step: AtStep = None,
    checkpoint: Named = None,
    learning_rate: LearningRate = None,
    max_steps: MaxSteps = None,
    epochs: Epochs = None,
    reset_patience: ResetPatience = False,
    follow: Follow = False,
    as_json: AsJson = False,
) -> int:
    """Have a run that ended go on: from its last checkpoint, unless another is named."""
    with Client() as client:
        last = last_step(client, run, max_steps, epochs)
        resume_request = request(ResumeRequest, **_departure(to, step, checkpoint, learning_rate, last, reset_patience))
        result = client.resume(run, resume_request)
        words = f"Queued {result.id} ({result.name}) again{_describe_changes(resume_request)}."
        return _conclude(client, result, words, follow, as_json)


def _departure(
    to: Place | None,
    step: int | None,
    checkpoint: str | None,
    learning_rate: str | None,
    max_steps: int | None,
    reset_patience: bool,
) -> dict[str, Any]:
    """Return the fields that both requests share; the tracker refuses those that exclude each other."""
    warn_of_rate(learning_rate)
    return {
        "to": to,
        "step": step,
        "checkpoint": checkpoint,
        "learning_rate": learning_rate,
        "max_steps": max_steps,
        "reset_patience": reset_patience,
    }


def _describe_fork(made: Run, fork_request: ForkRequest) -> str:
    origin = made.spec.forked_from
    place = f" from step {origin.step:,} of {origin.run}" if origin else ""
    words = f"Queued {made.id} ({made.name}) in {made.project}{place}{_describe_changes(fork_request)}."
    if isinstance(made.spec.source, ExternalSource):
        words += f' Its script takes it up: keepbest.init(id="{made.id}", resume="must").'
    return words


def _describe_changes(overrides: Overrides) -> str:
    words = changes(overrides)
    return f", {words}" if words else ""


def _conclude(client: Client, run: Run, words: str, follow: bool, as_json: bool) -> int:
    if follow:
        return follow_run(client, run.id, as_json)
    if as_json:
        print_json(run)
    else:
        say(f"{words}\nnext: keepbest watch {run.id}")
    return 0
