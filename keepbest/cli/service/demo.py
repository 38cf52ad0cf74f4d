"""`demo`: shows the whole road in a folder of its own: train, stop early, restore the best, and prove it."""

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
from keepbest.cli.service.workers import render_stopper
from keepbest.client.client import Client
from keepbest.contract.runs import RecipeSource, RunRequest
from keepbest.settings import DEFAULT_PORT, child_environment

RECIPE, DATA, PROJECT = "hvass-cnn", "digits", "demo"

Once = Annotated[bool, typer.Option("--once", help="End after the receipt, with its exit status.")]
DemoFolder = Annotated[Path, typer.Option("--dir", help="Folder of the demo; nothing is written elsewhere.")]


def demo(once: Once = False, dir: DemoFolder = Path(".demo"), port: Port = None) -> int:
    """Start the service, train a network on real digits, restore its best in a fresh process, print the receipt."""
    stack = Stack(dir, port or DEFAULT_PORT, slots=1, tell=warn)
    signals = Signals()
    monitor = ProcessMonitor(stack.children)
    try:
        say("The demo: a small network learns handwritten digits until keepbest stops it, because it improves no more.")
        say("A fresh process then restores its best, and measures the recorded value. That takes a minute or two.\n")
        stack.start()
        monitor.start()
        say(f"keepbest is running at {stack.url}")
        say(f"Sign in (this link works once): {stack.sign_in_link()}")
        status = train_and_restore(stack, monitor)
        if not once:
            stay(stack, monitor)
        return status
    except KeyboardInterrupt:
        monitor.check()
        return Exit.INTERRUPTED if once else Exit.OK
    finally:
        warn("Ending.")
        monitor.close()
        stack.stop(hurry=signals.hurry)


def train_and_restore(stack: Stack, monitor: ProcessMonitor) -> int:
    """Follow one run to its early stop, then restore its best in a fresh process."""
    with stack.client() as client:
        wait_for_recipe(client, monitor)
        stack.starting.end()
        request = RunRequest(project=PROJECT, source=RecipeSource(name=RECIPE), data=DATA)
        run = client.submit(request)
        say(f"Run {run.id}: {RECIPE} on {DATA}; when to stop: {render_stopper(run.spec.stopper)}.")
        say(f"See it: {stack.url}/r/{run.id}\n")
        status = follow(client, run.id)
    if status != Exit.OK:
        return status
    say("\nA fresh process restores its best checkpoint, and measures it anew:")
    return restore_in_fresh_process(stack, run.id)


def restore_in_fresh_process(stack: Stack, run: str) -> int:
    """Run `keepbest restore --verify`, which prints the receipt."""
    target = stack.folder / "restored" / run
    command = python("keepbest.cli.main", "restore", run, "--best", "--to", str(target), "--verify")
    environ = child_environment(
        KEEPBEST_DIR=str(stack.folder), KEEPBEST_URL=stack.url, KEEPBEST_TOKEN=stack.admin_token
    )
    return subprocess.run(command, env=environ, check=False).returncode


def wait_for_recipe(client: Client, monitor: ProcessMonitor) -> None:
    """Wait until the worker has announced its recipes. Raises KeepbestError if a process of the service keeps dying."""
    waiting = WaitingNotice("Waiting for the worker, which is just starting.", warn)
    while not any(recipe.name == RECIPE for recipe in client.recipes().recipes):
        monitor.check()
        waiting.pause()


def stay(stack: Stack, monitor: ProcessMonitor) -> None:
    """Leave the service running until Ctrl-C."""
    say(f"\nThe service goes on at {stack.url}. Sign in (once): {stack.sign_in_link()}")
    say(f"In another shell: export KEEPBEST_DIR={quote(str(stack.folder))}; keepbest ls")
    say("Ctrl-C ends it.")
    while True:
        monitor.check()
        time.sleep(0.2)
