"""Kill a writer at every system call it makes: `python -m tests.support.kill_writer STORE [direct]`.

For n = 1, 2, … a forked child writes a checkpoint and is killed by SIGKILL just before its n-th call; half of the
children have that call done in part first. Prints one line of JSON a child: what the store then held.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keepbest.checkpoint import Store
from keepbest.checkpoint.files import direct_io
from tests.support.states import RUN, about, equal, make_state

CALLS = ("open", "posix_fallocate", "writev", "write", "fsync", "close", "rename", "mkdir", "link")
BEFORE = 7


class Killer:
    """Counts calls, and kills this process before one of them."""

    def __init__(self, at: int) -> None:
        self.left = at

    def watch(self, name: str) -> None:
        whole = getattr(os, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                self._die(name, whole, arguments)
            return whole(*arguments, **named)

        setattr(os, name, call)

    def _die(self, name: str, whole: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        if name == "writev":
            descriptor, buffers = arguments
            whole(descriptor, [memoryview(buffers[-1])[: len(buffers[-1]) // 2]])
        os.kill(os.getpid(), signal.SIGKILL)


def write_and_die(root: Path, at: int) -> None:
    killer = Killer(at)
    for name in CALLS:
        killer.watch(name)
    Store(root, threads=1).write(make_state(100 + at, step=at), about())


def main(root: Path) -> None:
    Store(root).write(make_state(BEFORE, step=0), about())
    at, killed = 0, True
    while killed:
        at += 1
        child = os.fork()
        if child == 0:
            write_and_die(root, at)
            os._exit(0)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        store = Store(root)
        loaded = {manifest.step: store.load(RUN, manifest.id).arrays for manifest in store.manifests(RUN)}
        right = all(equal(arrays, _state(step).values) for step, arrays in loaded.items())
        found = {"steps": sorted(loaded), "manifests": len(store.checkpoints(RUN)), "right": right}
        print(json.dumps({"at": at, "killed": killed, **found, "swept": store.sweep()}), flush=True)


def _state(step: int) -> Any:
    return make_state(100 + step if step else BEFORE, step=step)


if __name__ == "__main__":
    if sys.argv[2:] == ["direct"]:
        direct_io.DIRECT_FROM_BYTES = 0
    main(Path(sys.argv[1]))
