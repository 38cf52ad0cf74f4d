"""Trainers as child processes of the agent."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from worker.folder import RunFolder
from worker.supervisor import Child


class LocalExecutor:
    """Starts `python -m worker.trainer` for each run. `token` reaches it by its standard input only."""

    def __init__(self, environ: Mapping[str, str], token: str | None) -> None:
        self._environ = environ
        self._token = token or ""

    def start(self, folder: RunFolder) -> Child:
        # -P: the working folder is not on the path, so nothing in it can stand in for our modules.
        command = [sys.executable, "-P", "-m", "worker.trainer", str(folder.path)]
        return Child(command, folder=folder.path, output=folder.output, environ=self._environ, secret=self._token)
