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
    """Raise an error that says what needs TensorFlow, and what to do without, where it is not installed."""
    if find_spec("tensorflow") is None:
        raise KeepbestError(
            f"{what} needs TensorFlow, which is not installed here.",
            hint=f"Install the extra `train`, in a clone of keepbest: pip install '.[train]'; {otherwise}.",
        )


def ask_fresh(folder: Path, settings: Settings, data: Path | None, module: str, *arguments: str) -> dict[str, Any]:
    """Run a module of the worker, which writes its answer as JSON to the file it is told last; return the answer.

    Raises the error that it met.
    """
    answer, log = folder / "answer.json", folder / "output.log"
    data_folder = str(data.expanduser().absolute()) if data else None
    environ = child_environment(KEEPBEST_URL=settings.url, KEEPBEST_TOKEN=settings.token, KEEPBEST_DATA=data_folder)
    with log.open("wb") as sink:
        command = python(module, *arguments, str(answer))
        done = subprocess.run(command, env=environ, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL, check=False)
    if not answer.is_file():
        words = log.read_text(errors="replace").splitlines()[-10:]
        raise KeepbestError("\n".join([f"The process that was asked ended with {done.returncode}:", *words]))
    fields: dict[str, Any] = json.loads(answer.read_text())
    if "error" in fields:
        raise from_body(fields, 500)
    return fields
