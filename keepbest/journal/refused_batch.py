"""The batch of a journal that the tracker refused: how often keepbest sent it, and into which pieces it was split.

This record lies beside the journal. A later process then neither tries for ever, nor sends the whole batch after the
tracker took some of its pieces: the tracker would count those twice.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keepbest.settings import write_private

NAME = "trouble.json"


@dataclass(slots=True)
class RefusedBatch:
    """`split` holds the places of the refused pieces that were taken apart ("" is the whole batch)."""

    path: Path
    number: int = 0
    tries: int = 0
    split: set[str] = field(default_factory=set)
    #: Places of the pieces that were set aside, each with its description; `why` is the reason of the last refusal.
    aside: dict[str, str] = field(default_factory=dict)
    why: str = ""

    @classmethod
    def read(cls, path: Path) -> RefusedBatch:
        """Return the record of an earlier process, or an empty one if it cannot be read."""
        with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            fields: dict[str, Any] = json.loads(path.read_bytes())
            return cls(
                path,
                int(fields["number"]),
                int(fields["tries"]),
                {str(place) for place in fields["split"]},
                {str(place): str(what) for place, what in dict(fields["aside"]).items()},
                str(fields["why"]),
            )
        return cls(path)

    def count(self, number: int) -> int:
        """Count one more refusal of the whole batch, and return the count."""
        if self.number != number:
            self.number, self.tries, self.split, self.aside, self.why = number, 0, set(), {}, ""
        self.tries += 1
        self._write()
        return self.tries

    def take_apart(self, number: int, place: str, why: str) -> None:
        """Note that a piece is no longer sent whole."""
        if self.number != number:
            self.count(number)
        self.split.add(place)
        self.why = why
        self._write()

    def set_aside(self, place: str, what: str, why: str) -> None:
        """Note that a piece was set aside."""
        self.aside[place] = what
        self.why = why
        self._write()

    def is_apart(self, number: int) -> bool:
        """Whether this batch is sent in pieces."""
        return self.number == number and bool(self.split)

    def forget(self) -> None:
        """Forget the batch: it is delivered or set aside."""
        if self.number:
            self.number, self.tries, self.split, self.aside, self.why = 0, 0, set(), {}, ""
            with suppress(OSError):
                self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        fields = {"number": self.number, "tries": self.tries, "why": self.why, "split": sorted(self.split)}
        with suppress(OSError):  # this process knows it anyway
            write_private(self.path, json.dumps({**fields, "aside": self.aside}))
