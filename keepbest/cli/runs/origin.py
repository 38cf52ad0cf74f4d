"""How a run came about, in a few lines: the code, the command, the machine."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from keepbest.cli.common.formatting import clean
from keepbest.contract.runs import ExternalSource, Run

MAX_SHOWN = 200
SHORT_COMMIT = 10


def list_origin(run: Run) -> list[tuple[str, str]]:
    """Return what the run's environment says of its code, command and machine; an empty text where it says nothing."""
    about = run.environment or {}
    return [
        ("imported", clean(_say_import(run))),
        ("code", clean(_say_code(about))),
        ("command", clean(shlex.join(map(str, about.get("command") or []))[:MAX_SHOWN])),
        ("ran on", clean(_say_machine(about))),
    ]


def _say_import(run: Run) -> str:
    """Return the tool, its own name for the run, and where the run was read."""
    imported = run.spec.source.imported if isinstance(run.spec.source, ExternalSource) else None
    if imported is None:
        return ""
    place = f" in {imported.place}" if imported.place and imported.place != imported.source else ""
    return f"from {imported.kind}: {imported.source}{place}"


def _say_code(about: Mapping[str, Any]) -> str:
    if not about.get("commit"):
        return ""
    branch = f" of {about['branch']}" if about.get("branch") else ""
    changes = ", with uncommitted changes" if about.get("is_dirty") else ""
    where = about.get("remote") or about.get("repository")
    return f"commit {str(about['commit'])[:SHORT_COMMIT]}{branch}{changes}{f' ({where})' if where else ''}"


def _say_machine(about: Mapping[str, Any]) -> str:
    cores = about.get("cores")
    parts = (
        about.get("host"),
        f"Python {about['python']}" if about.get("python") else None,
        f"keepbest {about['keepbest']}" if about.get("keepbest") else None,
        f"{cores} core{'s' * (cores != 1)}" if cores else None,
        *(about.get("gpus") or []),
    )
    return ", ".join(str(part) for part in parts if part)
