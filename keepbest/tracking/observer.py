"""Observes a run beside training: how it came about, and what the machine does meanwhile. Never in the training thread.

An error here never reaches the training: what cannot be told is left out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from keepbest.contract.batches import Progress
from keepbest.contract.provenance import GitState, Provenance
from keepbest.journal.records import fit
from keepbest.provenance.describe import (
    describe_code,
    describe_command,
    describe_git,
    describe_machine,
    list_packages,
)
from keepbest.settings import Settings
from keepbest.tracking.recorder import Recorder, now
from keepbest.tracking.run import Run

#: How long the end of a short run waits until it is known how the run came about.
WAIT_SECONDS = 3.0
_log = logging.getLogger("keepbest")


def observe(run: Run, settings: Settings, *, code: Path | None = None, git: GitState | None = None) -> None:
    """Record how `run` came about and the curves of the machine, as far as the settings say.

    The code lies in the folder `code`; where it came in a bundle, the bundle's submission says its `git` state.
    """
    observer = Observer(run.recorder, settings, code, git)
    run.before_end(observer.close)
    observer.start()


class Observer:
    """Two threads at most: one describes the run and ends, one samples the machine until the run ends."""

    def __init__(self, recorder: Recorder, settings: Settings, code: Path | None, git: GitState | None) -> None:
        self._recorder = recorder
        self._settings = settings
        self._code, self._git = code, git
        self._thread = Thread(target=self._begin, name="keepbest-provenance", daemon=True)
        self._sampler: Any = None
        self._is_over = False

    def start(self) -> None:
        """Begin to observe."""
        if self._settings.provenance != "off" or self._settings.has_system_curves:
            self._thread.start()

    def close(self) -> None:
        """End the curves, and wait until it is told how the run came about."""
        self._is_over = True
        if self._sampler is not None:
            self._sampler.close()
        if self._thread.is_alive():
            self._thread.join(WAIT_SECONDS)

    def _begin(self) -> None:
        if self._settings.has_system_curves:
            self._attempt(self._sample, "the curves of the machine are")
        if self._settings.provenance != "off":
            self._attempt(self._describe, "how the run came about is")

    def _attempt(self, record: Callable[[], None], what: str) -> None:
        try:
            record()
        except Exception:
            _log.warning("keepbest: %s not recorded.", what, exc_info=True)

    def _sample(self) -> None:
        from keepbest.system.gpus import find_gpus
        from keepbest.system.readings import MachineReader
        from keepbest.system.sampler import Sampler

        gpus = find_gpus(self._settings.visible_gpus)
        if names := gpus.list_names():
            self._recorder.describe({"gpus": list(names)})
        reader = MachineReader(gpus)
        self._sampler = Sampler(lambda: self._recorder.log_beside(reader.read()))
        if not self._is_over:
            self._sampler.start()

    def _describe(self) -> None:
        self._recorder.describe({**describe_machine(), **describe_command()})
        if self._git is None and self._code is not None:
            about, provenance = describe_code(self._code, self._settings.provenance)
        else:
            about, provenance = describe_git(self._git), Provenance(packages=dict(list_packages()))
        if about:
            self._recorder.describe(about)
        self._recorder.say(fit(Progress, at=now(), provenance=provenance))
