"""What a run is called: its project, name, tags and notes, which its script may read and change."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from keepbest.contract.runs import RunPatch
from keepbest.contract.tags import MAX_TAGS
from keepbest.errors import KeepbestError
from keepbest.journal.values import clean, nearest_name

MAX_NOTES = 10_000
GROUP, JOB_TYPE = "group", "job_type"
_log = logging.getLogger("keepbest")


@dataclass(slots=True)
class RunNames:
    """The names of one run. `change` gets each change, and may raise an error of keepbest, which becomes a warning."""

    project: str = ""
    name: str = ""
    tags: Sequence[str] = ()
    notes: str = ""
    change: Callable[[RunPatch], object] = field(default=lambda patch: None, repr=False)

    def rename(self, name: str) -> None:
        """Give the run another name."""
        kept = nearest_name("name", str(name))
        if kept and kept != self.name:
            self.name = kept
            self._send(RunPatch(name=kept))

    def retag(self, tags: Sequence[Any]) -> None:
        """Give the run other tags."""
        self.tags = to_tags(tags)
        self._send(RunPatch(tags=list(self.tags)))

    def annotate(self, notes: str | None) -> None:
        """Give the run other notes."""
        self.notes = clean(str(notes or ""))[:MAX_NOTES]
        self._send(RunPatch(notes=self.notes))

    def find_tag(self, key: str) -> str | None:
        """Return the value of the tag `key=value`."""
        begin = f"{key}="
        return next((tag[len(begin) :] for tag in self.tags if tag.startswith(begin)), None)

    def _send(self, patch: RunPatch) -> None:
        try:
            self.change(patch)
        except (KeepbestError, OSError) as error:
            _log.warning("keepbest: the run's new name, tags or notes are not kept: %s", error)


def to_tags(words: Any, *, group: str | None = None, job_type: str | None = None) -> list[str]:
    """Return the tags of a script as they can be kept; a group and a kind of job are tags too: `group=…`."""
    pairs = [f"{key}={value}" for key, value in ((GROUP, group), (JOB_TYPE, job_type)) if value]
    tags = [tag for text in (*pairs, *listed(words)) if (tag := nearest_name("tag", str(text)))]
    return list(dict.fromkeys(tags))[:MAX_TAGS]


def listed(words: Any) -> list[Any]:
    """Return a list of words, or one word, as a list."""
    return [words] if isinstance(words, str) else list(words or ())
