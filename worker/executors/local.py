"""Starts trainers as child processes of the agent."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from keepbest.contract.runs import CommandSource
from worker.child_process import ChildProcess, make_mark
from worker.executors.standby import Standby
from worker.run_folder import RunFolder


class LocalExecutor:
    """Starts `python -m worker.trainer` for each run, or takes the one that `standby` has started ahead.

    For a command it starts `worker.command`. The process gets `token` by its standard input only.
    """

    def __init__(self, environ: Mapping[str, str], token: str | None, standby: Standby | None = None) -> None:
        self._environ = environ
        self._token = token or ""
        self._standby = standby

    def start(self, folder: RunFolder) -> ChildProcess:
        if isinstance(folder.get_job().assignment.run.spec.source, CommandSource):
            return self._start("worker.command", folder)
        warm = self._standby.take(folder, self._token) if self._standby else None
        return warm or self._start("worker.trainer", folder)

    def prepare(self) -> None:
        if self._standby:
            self._standby.prepare()

    def close(self) -> None:
        if self._standby:
            self._standby.close()

    def _start(self, module: str, folder: RunFolder) -> ChildProcess:
        # -P keeps the working folder off the path, so that no file in it can replace keepbest's modules.
        command = [sys.executable, "-P", "-m", module, str(folder.path)]
        mark = make_mark()
        folder.write_mark(mark)
        return ChildProcess(
            command, folder=folder.path, output=folder.output, environ=self._environ, mark=mark, secret=self._token
        )
