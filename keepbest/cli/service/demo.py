"""`demo`: the whole road in a folder of its own: train, improve, stop early, come back to the best, prove it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from keepbest.cli.common.errors import Exit
from keepbest.cli.common.options import Port
from keepbest.cli.common.output import say, warn
from keepbest.cli.runs.watch import follow
from keepbest.cli.service.processes import python
from keepbest.cli.service.service import Signals
from keepbest.cli.service.stack import ProcessMonitor, Stack
from keepbest.cli.service.starting import WaitingNotice
from keepbest.cli.service.workers import stops
from keepbest.client.client import Client
from keepbest.contract.runs import RecipeSource, RunRequest
from keepbest.settings import DEFAULT_PORT, child_environment

RECIPE, DATA, PROJECT = "hvass-cnn", "digits", "demo"

Once = Annotated[bool, typer.Option("--once", help="End when the receipt is printed, with its exit status.")]
DemoFolder = Annotated[Path, typer.Option("--dir", help="Folder of the demo; nothing is written elsewhere.")]


def demo(once: Once = False, dir: DemoFolder = Path(".demo"), port: Port = None) -> int:
    """Start the service, train a network on real digits, restore its best in a fresh process, print the receipt."""
    stack = Stack(dir, port or DEFAULT_PORT, slots=1, tell=warn)
    signals = Signals()
    keeper = ProcessMonitor(stack.children)
    try:
        say("The demo: a small network learns handwritten digits and is stopped when it gets no better. Its best comes")
        say("back in a fresh process, with the very value that was recorded. That takes a minute or two.\n")
        stack.start()
        keeper.start()
        say(f"keepbest is running at {stack.url}")
        say(f"Sign in (this link works once): {stack.sign_in_link()}")
        status = train_and_restore(stack, keeper)
        if not once:
            stay(stack, keeper)
        return status
    except KeyboardInterrupt:
        keeper.check()
        return Exit.INTERRUPTED if once else Exit.OK
    finally:
        warn("Ending.")
        keeper.close()
        stack.stop(hurry=signals.hurry)


def train_and_restore(stack: Stack, keeper: ProcessMonitor) -> int:
    """Follow one run to its early stop, then take its best into a fresh process."""
    with stack.client() as client:
        wait_for_recipe(client, keeper)
        stack.starting.end()
        request = RunRequest(project=PROJECT, source=RecipeSource(name=RECIPE), data=DATA)
        run = client.submit(request)
        say(f"Run {run.id}: {RECIPE} on {DATA}; when to stop: {stops(run.spec.stopper)}.")
        say(f"See it: {stack.url}/r/{run.id}\n")
        status = follow(client, run.id)
    if status != Exit.OK:
        return status
    say("\nRestoring its best checkpoint in a fresh process, and measuring it anew:")
    return restore_in_fresh_process(stack, run.id)


def restore_in_fresh_process(stack: Stack, run: str) -> int:
    """Run `keepbest restore --verify` as anybody would; it prints the receipt."""
    target = stack.folder / "restored" / run
    command = python("keepbest.cli.main", "restore", run, "--best", "--to", str(target), "--verify")
    environ = child_environment(
        KEEPBEST_DIR=str(stack.folder), KEEPBEST_URL=stack.url, KEEPBEST_TOKEN=stack.admin_token
    )
    return subprocess.run(command, env=environ, check=False).returncode


def wait_for_recipe(client: Client, keeper: ProcessMonitor) -> None:
    """Wait until the worker has said what it can train, as long as it lives: the keeper gives up where it does not."""
    waiting = WaitingNotice("Waiting for the worker, which is just starting.", warn)
    while not any(recipe.name == RECIPE for recipe in client.recipes().recipes):
        keeper.check()
        waiting.pause()


def stay(stack: Stack, keeper: ProcessMonitor) -> None:
    """Leave the service running until Ctrl-C."""
    say(f"\nThe service goes on at {stack.url}. Sign in (once): {stack.sign_in_link()}")
    say(f"In another shell: export KEEPBEST_DIR={quote(str(stack.folder))}; keepbest ls")
    say("Ctrl-C ends it.")
    while True:
        keeper.check()
        time.sleep(0.2)
