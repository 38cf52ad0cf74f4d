"""Trainers as child processes of the agent."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from keepbest.contract.runs import CommandSource
from worker.folder import RunFolder
from worker.supervisor import Child, mark


class LocalExecutor:
    """Starts `python -m worker.trainer` for each run, or `worker.launcher` for a command.

    `token` reaches it by its standard input only.
    """

    def __init__(self, environ: Mapping[str, str], token: str | None) -> None:
        self._environ = environ
        self._token = token or ""

    def start(self, folder: RunFolder) -> Child:
        is_command = isinstance(folder.get_job().assignment.run.spec.source, CommandSource)
        module = "worker.launcher" if is_command else "worker.trainer"
        # -P: the working folder is not on the path, so nothing in it can stand in for our modules.
        command = [sys.executable, "-P", "-m", module, str(folder.path)]
        environ = {**self._environ, **mark(folder.path)}
        return Child(command, folder=folder.path, output=folder.output, environ=environ, secret=self._token)
