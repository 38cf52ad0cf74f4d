"""Describes this process for a run's record: machine, command, packages and git, each with its limit."""

from __future__ import annotations

import os
import platform
import socket
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from keepbest.contract.provenance import MAX_PACKAGES, GitState, Provenance
from keepbest.provenance.git import Changes, read_git
from keepbest.provenance.secrets import mask_command
from keepbest.settings import VERSION, Recorded

MAX_COMMAND = 8_192
MAX_WORDS = 500
_ROOT = Path(__file__).resolve().parents[2]


def describe_process() -> dict[str, Any]:
    """Return the machine, the process and the versions of Python and keepbest: what costs nothing to know."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "keepbest": VERSION,
    }


def describe_machine() -> dict[str, Any]:
    """Return the processor, the cores that this process may use, and the memory."""
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": _name_cpu(), "cores": cores, "memory_gb": round(psutil.virtual_memory().total / 2**30, 1)}


def describe_command(words: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the command line of this process (or `words`) with secrets masked, and the folder that it runs in."""
    command = mask_command(list(words if words is not None else sys.orig_argv)[:MAX_WORDS])
    while command and sum(map(len, command)) > MAX_COMMAND:
        command.pop()
    return {"command": command, "folder": str(Path.cwd())} if command else {}


def describe_git(state: GitState | None, top: Path | None = None) -> dict[str, Any]:
    """Return the fields of the environment that say which code ran."""
    if state is None:
        return {}
    told = state.model_dump(exclude_none=True)
    return {**told, **({"repository": str(top)} if top is not None else {})}


@cache
def list_packages() -> Mapping[str, str]:
    """Return the name and version of every distribution that this interpreter finds, without starting pip."""
    versions = dict[str, str]()
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"] if distribution.metadata else None
        if name and (version := distribution.version):
            versions.setdefault(name.lower().replace("_", "-")[:200], version[:500])
    return dict(sorted(versions.items())[:MAX_PACKAGES])


def describe_code(folder: Path, recorded: Recorded) -> tuple[dict[str, Any], Provenance]:
    """Return the fields of git for the environment, and the run's provenance."""
    code = read_git(folder, with_diff=recorded == "all")
    state, top, changes = code if code is not None else (None, None, Changes())
    about = Provenance(
        packages=dict(list_packages()),
        diff=changes.diff,
        left_out=list(changes.left_out),
        is_masked=changes.is_masked,
    )
    return describe_git(state, top), about


def find_code_folder() -> Path:
    """Return the folder of the script that this process runs; of a module or a prompt, the present folder."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    folder = Path(file).resolve().parent if file else Path.cwd()
    is_installed = any(part in ("site-packages", "dist-packages", "bin") for part in folder.parts)
    return Path.cwd() if is_installed else folder


def find_own_folder() -> Path | None:
    """Return keepbest's own folder where it is a checkout: the code of the built-in recipes. Else its version says."""
    return _ROOT if (_ROOT / ".git").exists() else None


def _name_cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
