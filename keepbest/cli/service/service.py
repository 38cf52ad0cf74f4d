"""`up`, `server`, `scheduler`, `worker`: start the processes of the service, without importing them."""

from __future__ import annotations

import os
import signal
import sys
import time
from shlex import quote
from types import FrameType
from typing import Annotated

import typer

from keepbest.cli.common.errors import Exit
from keepbest.cli.common.options import DataFolder, Folder, Port
from keepbest.cli.common.output import say, warn
from keepbest.cli.service.processes import python
from keepbest.cli.service.stack import Stack
from keepbest.memory_budget import budget_of
from keepbest.settings import DEFAULT_PORT, child_environment, load

Host = Annotated[
    str | None,
    typer.Option(
        envvar="KEEPBEST_HOST",
        help="Address to listen on; any but loopback lets the network in.",
        show_default="127.0.0.1",
    ),
]
Slots = Annotated[
    int | None,
    typer.Option(
        envvar="KEEPBEST_WORKER_SLOTS", min=1, max=1000, help="Runs trained at the same time.", show_default="1"
    ),
]

SnapshotMemory = Annotated[
    str | None,
    typer.Option(
        envvar="KEEPBEST_SNAPSHOT_MEMORY", help="Memory for the snapshots of each run: 2GB, or 25% of what is free."
    ),
]


class Signals:
    """Handles SIGINT, SIGTERM and SIGHUP: the first signal raises KeyboardInterrupt, a second one asks to hurry."""

    def __init__(self) -> None:
        self.count = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 1:
            raise KeyboardInterrupt

    def hurry(self) -> bool:
        return self.count > 1


def up(
    dir: Folder = None,
    port: Port = None,
    host: Host = None,
    slots: Slots = None,
    data_dir: DataFolder = None,
    snapshot_memory: SnapshotMemory = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Start no worker here.")] = False,
) -> int:
    """Start tracker, scheduler and worker on this machine, on SQLite, and stay until Ctrl-C."""
    folder = dir or load().dir
    stack = Stack(
        folder,
        port or DEFAULT_PORT,
        host or "127.0.0.1",
        slots,
        data_dir,
        not no_worker,
        snapshot_memory=_check_memory(snapshot_memory),
        tell=warn,
    )
    signals = Signals()
    try:
        stack.start()
        greet(stack)
        stack.wait_for_worker()
        while True:
            stack.children.supervise()
            time.sleep(0.2)
    except KeyboardInterrupt:
        warn("Ending: trainers write a checkpoint and hand their runs back. Ctrl-C again ends at once.")
    finally:
        stack.stop(hurry=signals.hurry)
    return Exit.OK


def greet(stack: Stack) -> None:
    """Print the service's address, a sign-in link and the folder."""
    say(f"keepbest is running at {stack.url}")
    say(f"  sign in (once)  {stack.sign_in_link()}")
    say(f"  folder          {stack.folder}")
    if stack.folder != load().dir:
        say(f"  this shell      export KEEPBEST_DIR={quote(str(stack.folder))}")
    say("  first run       keepbest submit hvass-cnn --follow")
    say("Ctrl-C ends it.")


def server(dir: Folder = None, port: Port = None, host: Host = None) -> None:
    """Start only the tracker. For a shared database, set KEEPBEST_DATABASE_URL."""
    become("tracker.server", KEEPBEST_DIR=_text(dir), KEEPBEST_PORT=_text(port), KEEPBEST_HOST=host)


def scheduler(dir: Folder = None) -> None:
    """Start only the scheduler: it expires leases, compacts metrics, prunes events. One for each database."""
    become("tracker.scheduler", KEEPBEST_DIR=_text(dir))


def worker(
    dir: Folder = None,
    slots: Slots = None,
    name: Annotated[str | None, typer.Option(help="Name of the worker.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="key=value that runs may ask for; repeatable.")] = None,
    recipes_only: Annotated[
        bool, typer.Option("--recipes-only", help="Refuse runs that bring their own code.")
    ] = False,
    data_dir: DataFolder = None,
    snapshot_memory: SnapshotMemory = None,
    standby: Annotated[
        bool | None,
        typer.Option(
            "--standby/--no-standby",
            help="Keep a process waiting that has imported TensorFlow for the next run, or none.",
            show_default="standby",
        ),
    ] = None,
    no_stall: Annotated[
        bool, typer.Option("--no-stall", help="End no training that gives no sign of life (KEEPBEST_STALL_SECONDS=0).")
    ] = False,
) -> None:
    """Start only a worker. Runs that bring their own code run it here, as this user."""
    become(
        "worker.agent",
        KEEPBEST_DIR=_text(dir),
        KEEPBEST_DATA=_text(data_dir),
        KEEPBEST_SNAPSHOT_MEMORY=_check_memory(snapshot_memory),
        KEEPBEST_WORKER_SLOTS=_text(slots),
        KEEPBEST_WORKER_NAME=name,
        KEEPBEST_WORKER_LABELS=",".join(label) if label else None,
        KEEPBEST_WORKER_RECIPES_ONLY="1" if recipes_only else None,
        KEEPBEST_WORKER_STANDBY=None if standby is None else str(int(standby)),
        KEEPBEST_STALL_SECONDS="0" if no_stall else None,
    )


def become(module: str, **variables: str | None) -> None:
    """Replace this process by `python -m module`. The given variables win over the environment."""
    given = {name: value for name, value in variables.items() if value is not None}
    sys.stdout.flush()
    os.execve(sys.executable, python(module), child_environment(**given))  # noqa: S606


def _check_memory(snapshot_memory: str | None) -> str | None:
    """Return the text; raises InvalidInput for one that every trainer would refuse later."""
    if snapshot_memory is not None:
        budget_of(snapshot_memory)
    return snapshot_memory


def _text(value: object) -> str | None:
    return None if value is None else str(value)
