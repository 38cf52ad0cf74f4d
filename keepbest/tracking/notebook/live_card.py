"""Shows a run's card where a cell began the run, and has it follow the run. Without a notebook it does nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from keepbest.tracking.notebook.card import CardFacts

#: A card changes at most so often.
EVERY_SECONDS = 1.0


def find_shell() -> Any | None:
    """Return IPython's shell if this process is a notebook's kernel, else None. Imports nothing."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return shell if hasattr(shell, "kernel") else None


class LiveCard:
    """The card of one run. `read` returns what it shows; `run` draws itself (`_repr_html_`)."""

    def __init__(self, run: Any, read: Callable[[], CardFacts], clock: Callable[[], float] = time.monotonic) -> None:
        self._run, self._read, self._clock = run, read, clock
        self._handle: Any = None
        self._shown: CardFacts | None = None
        self._next = 0.0

    @property
    def is_shown(self) -> bool:
        """Whether the card follows the run, so that nothing needs to be printed."""
        return self._handle is not None

    def show(self) -> None:
        """Show the card in the present cell."""
        if find_shell() is None:
            return
        try:
            self._shown = self._read()
            self._handle = sys.modules["IPython"].display.display(self._run, display_id=True)
        except Exception:  # a card is no reason to stop a training
            self._handle = None

    def follow(self, *, at_once: bool = False) -> None:
        """Have the card show the run as it is now, if that has changed; called beside training."""
        if self._handle is None or (not at_once and self._clock() < self._next):
            return
        self._next = self._clock() + EVERY_SECONDS
        try:
            facts = self._read()
            if facts != self._shown:
                self._shown = facts
                self._handle.update(self._run)
        except Exception:
            self._handle = None
