"""What a script reads of its run, and may set: names, configuration, summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keepbest.tracking.run_names import GROUP, JOB_TYPE, RunNames
from keepbest.tracking.wandb.run_config import RunConfig
from keepbest.tracking.wandb.run_summary import RunSummary
from keepbest.tracking.wandb.scripted import Scripted


class NamedRun:
    """The fields of `keepbest.tracking.run.Run` that its parts `names` and `scripted` hold."""

    names: RunNames
    scripted: Scripted

    @property
    def project(self) -> str:
        """The project of the run."""
        return self.names.project

    @property
    def name(self) -> str:
        """The name of the run; a script may set it."""
        return self.names.name

    @name.setter
    def name(self, name: str) -> None:
        self.names.rename(name)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that the run began with, or that the script has set."""
        return tuple(self.names.tags)

    @tags.setter
    def tags(self, tags: Sequence[Any]) -> None:
        self.names.retag(tags)

    @property
    def notes(self) -> str:
        """The notes that the run began with, or that the script has set."""
        return self.names.notes

    @notes.setter
    def notes(self, notes: str | None) -> None:
        self.names.annotate(notes)

    @property
    def group(self) -> str | None:
        """The value of the tag `group=…`."""
        return self.names.find_tag(GROUP)

    @property
    def job_type(self) -> str | None:
        """The value of the tag `job_type=…`."""
        return self.names.find_tag(JOB_TYPE)

    @property
    def config(self) -> RunConfig:
        """The configuration, to read and to change: `run.config.rate`, `run.config.update(units=64)`."""
        return self.scripted.config

    @property
    def summary(self) -> RunSummary:
        """The last value of each metric, and what the script writes: `run.summary["test_accuracy"] = 0.9`."""
        return self.scripted.summary

    @property
    def dir(self) -> str:
        """A folder for files of the script, which the run keeps when it ends."""
        return str(self.scripted.files.folder)
