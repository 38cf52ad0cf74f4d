"""`stop`, `pause`, `cancel`, `rollback`: commands to a living run, which the trainer acknowledges and then does."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from keepbest.cli.common.errors import Exit
from keepbest.cli.common.options import AsJson, RunId
from keepbest.cli.common.output import print_json, say, warn
from keepbest.cli.runs.each import act_on_each
from keepbest.cli.runs.last_step import Epochs, last_step
from keepbest.client.client import Client
from keepbest.contract.commands import (
    CancelRequest,
    Command,
    CommandRequest,
    PauseRequest,
    RollBackRequest,
    StopRequest,
)
from keepbest.contract.validate import request
from keepbest.errors import InvalidInput
from keepbest.rates import find_absurd_text
from keepbest.status import CommandState

POLL_SECONDS = 0.3
Wait = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for the outcome; 0 only sends it.")]


def stop(run: RunId, wait: Wait = 30.0, as_json: AsJson = False) -> int:
    """Stop a run after the present batch: it comes back to its best, measures the test set and finishes."""
    return send(run, StopRequest(), wait, as_json)


def pause(run: RunId, wait: Wait = 30.0, as_json: AsJson = False) -> int:
    """Pause a run at its present step: its state is on disk, and its worker is free for others.

    `keepbest resume RUN` puts it back into the queue; any worker goes on with it, as if it had never paused.
    """
    return send(run, PauseRequest(), wait, as_json)


def cancel(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids of runs, or their first letters.")],
    wait: Wait = 30.0,
    as_json: AsJson = False,
) -> int:
    """End runs at once, without a test result. A queued run leaves the queue.

    A resumed run that no worker has taken up yet returns to its earlier state.
    """
    with Client() as client:
        result = [client.run(run) for run in dict.fromkeys(runs)]  # a wrong id raises before any run is cancelled
        commands, status = act_on_each((run.id for run in result), lambda run: client.command(run, CancelRequest()))
        done = [wait_for(client, command, wait) for command in commands]
    if as_json:
        print_json(done[0] if len(done) == 1 else [item.model_dump(mode="json") for item in done])
    else:
        for command in done:
            say(_describe(command))
    return Exit.ERROR if any(map(_is_refused, done)) else status


def rollback(
    run: RunId,
    to: Annotated[str | None, typer.Option(help="`best` (also when nothing is said).")] = None,
    step: Annotated[int | None, typer.Option(min=0, help="To the snapshot of this step.")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="To this checkpoint.")] = None,
    learning_rate: Annotated[
        str | None, typer.Option(help="Go on with this one: a number, or `0.1x` of what it was there.")
    ] = None,
    max_steps: Annotated[int | None, typer.Option(min=1, help="The new last step.")] = None,
    epochs: Epochs = None,
    reset_patience: Annotated[bool, typer.Option("--reset-patience", help="Begin to wait anew.")] = False,
    wait: Wait = 30.0,
    as_json: AsJson = False,
) -> int:
    """Take a living run back to its best, to a step or to a checkpoint; it goes on from there, changed as you say."""
    if sum(item is not None for item in (to, step, checkpoint)) > 1:
        raise InvalidInput("--to, --step and --checkpoint exclude each other.", field="to")
    if to not in (None, "best"):
        raise InvalidInput(f"--to takes only 'best', but got {to!r}.", field="to", hint="A step: --step 1200")
    is_best = step is None and checkpoint is None
    place = {"to": "best" if is_best else None, "step": step, "checkpoint": checkpoint}
    if epochs is not None:
        with Client() as client:
            max_steps = last_step(client, run, max_steps, epochs)
    changes = {"learning_rate": learning_rate, "max_steps": max_steps, "reset_patience": reset_patience}
    roll_back_request = request(RollBackRequest, **place, **changes)
    warn_of_rate(learning_rate)
    return send(run, roll_back_request, wait, as_json)


def warn_of_rate(text: str | None) -> None:
    """Warn of an implausible learning rate, which is used nevertheless."""
    if (odd := find_absurd_text(text)) is not None:
        warn(f"warning: {odd}")


def send(run: str, query: CommandRequest, wait: float, as_json: bool) -> int:
    """Send a command, wait for it, and print its state."""
    with Client() as client:
        command = client.command(run, query)
        command = wait_for(client, command, wait)
    if as_json:
        print_json(command)
    else:
        say(_describe(command))
    return Exit.ERROR if _is_refused(command) else Exit.OK


def _is_refused(command: Command) -> bool:
    return command.state in (CommandState.REFUSED, CommandState.EXPIRED)


def wait_for(client: Client, command: Command, seconds: float) -> Command:
    """Return the command as it is when it is done or refused, or after `seconds`."""
    deadline = time.monotonic() + seconds
    while command.state.is_open and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        known = client.commands(command.run).commands
        command = next((item for item in known if item.id == command.id), command)
    return command


def _describe(command: Command) -> str:
    name = command.kind.value.replace("_", " ")
    words = f"{name} of {command.run}: {command.state.value}"
    if command.message:
        words += f" ({command.message})"
    if command.done_at is not None:
        words += f" after {(command.done_at - command.requested_at).total_seconds():.2f} s"
    if command.state.is_open:
        words += f". The trainer obeys at its next batch; see: keepbest watch {command.run}"
    return words
