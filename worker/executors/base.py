"""What the agent asks of whatever runs its trainers."""

from __future__ import annotations

from typing import Protocol

from worker.run_folder import RunFolder


class Running(Protocol):
    """One trainer at work."""

    @property
    def pid(self) -> int:
        """Its process, which leads its group."""

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""

    def interrupt(self) -> None:
        """Ask it to write a checkpoint and hand the run back."""

    def kill(self) -> None:
        """End it and everything it started, now."""


class Executor(Protocol):
    """Starts trainers."""

    def start(self, folder: RunFolder) -> Running:
        """Start training what `folder` describes.

        Call it from a thread that lives as long as the trainer: the kernel ends a child with the thread it came from.
        """

    def prepare(self) -> None:
        """Do ahead what the next start can be spared. Called often, from the same thread; returns at once."""

    def close(self) -> None:
        """Let go of what was prepared: nothing more is started."""
