"""Runs a check in a fresh process that has TensorFlow and never trained."""

from __future__ import annotations

import json
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from keepbest.cli.service.processes import python
from keepbest.errors import KeepbestError, from_body
from keepbest.settings import Settings, child_environment


def need_tensorflow(what: str, otherwise: str) -> None:
    """Raise an error if TensorFlow is not installed: `what` needs it, and `otherwise` is what to do without it."""
    if find_spec("tensorflow") is None:
        raise KeepbestError(
            f"{what} needs TensorFlow, which is not installed here.",
            hint=f"Install the extra `train`, in a clone of keepbest: pip install '.[train]'; {otherwise}.",
        )


def ask_fresh(folder: Path, settings: Settings, data: Path | None, module: str, *arguments: str) -> dict[str, Any]:
    """Run a module of the worker in a new process and return its answer, which it writes as JSON into a file.

    Raises the error of that process.
    """
    answer, log = folder / "answer.json", folder / "output.log"
    data_folder = str(data.expanduser().absolute()) if data else None
    environ = child_environment(KEEPBEST_URL=settings.url, KEEPBEST_TOKEN=settings.token, KEEPBEST_DATA=data_folder)
    with log.open("wb") as sink:
        command = python(module, *arguments, str(answer))
        done = subprocess.run(command, env=environ, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL, check=False)
    if not answer.is_file():
        words = log.read_text(errors="replace").splitlines()[-10:]
        raise KeepbestError("\n".join([f"The process of {module} ended with status {done.returncode}:", *words]))
    fields: dict[str, Any] = json.loads(answer.read_text())
    if "error" in fields:
        raise from_body(fields, 500)
    return fields
