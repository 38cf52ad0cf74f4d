"""The protocols by which the agent starts and ends trainers."""

from __future__ import annotations

from typing import Protocol

from worker.run_folder import RunFolder


class Running(Protocol):
    """One trainer at work."""

    @property
    def pid(self) -> int:
        """The id of its process, which leads its group."""

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while the trainer runs."""

    def interrupt(self) -> None:
        """Ask the trainer to write a checkpoint and hand the run back."""

    def kill(self) -> None:
        """End the trainer and all processes of its group at once."""


class Executor(Protocol):
    """Starts trainers."""

    def start(self, folder: RunFolder) -> Running:
        """Start training the run of `folder`.

        Call it from a thread that lives as long as the trainer: the kernel ends a child with the thread that made it.
        """

    def prepare(self) -> None:
        """Prepare the next start. Called often, from the same thread; returns at once."""

    def close(self) -> None:
        """End what `prepare` has started; no other start follows."""
