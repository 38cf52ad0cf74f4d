"""Brings what another tool says of a run within the limits of the tracker, and says what does not fit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from pydantic import ValidationError

from keepbest.contract.base import FIRST_YEAR, LAST_YEAR, MAX_DIGITS, MAX_WHOLE
from keepbest.contract.imports import (
    MAX_DATASETS,
    MAX_KEYED_TAGS,
    MAX_TAG_KEY,
    MAX_TAG_VALUE,
    ImportedDataset,
    ImportRequest,
)
from keepbest.contract.names import UNSEEN, to_name, to_word
from keepbest.contract.origins import ImportOrigin
from keepbest.contract.runs import MAX_PARAMETERS, Mode
from keepbest.foreign.foreign_run import ForeignRun, Points
from keepbest.foreign.monitor import guess_monitor

MAX_NOTES, MAX_FIELD, MAX_TEXT = 10_000, 200, 20_000
#: Seconds since 1970 of moments that a database keeps.
_FIRST_SECOND, _LAST_SECOND = -2_000_000_000.0, 32_000_000_000.0
_DEFAULT = "default"


@dataclass
class Remarks:
    """What was left out of a run and why, each said once, at most so many."""

    most: int = 100
    said: dict[str, None] = field(default_factory=dict)
    more: int = 0

    def add(self, text: str) -> None:
        if text in self.said:
            return
        if len(self.said) < self.most:
            self.said[text] = None
        else:
            self.more += 1

    def list(self) -> list[str]:
        return [*self.said, *([f"… and {self.more:,} more of this kind"] if self.more else [])]


def describe_run(
    run: ForeignRun,
    remarks: Remarks,
    *,
    project: str | None = None,
    monitor: str | None = None,
    mode: Mode | None = None,
    again: bool = False,
) -> ImportRequest:
    """Return the request for a run; the arguments replace what the source says."""
    watched = monitor or run.monitor
    way = mode or _find_way(run, watched)
    if len(run.notes) > MAX_NOTES:
        remarks.add(f"the notes beyond {MAX_NOTES:,} characters")
    return ImportRequest(
        origin=ImportOrigin(kind=run.kind, source=clean(run.source)[:2000], place=clean(run.place)[:2000]),
        project=to_name(project or run.project or "") or _DEFAULT,
        name=to_name(run.name) or None,
        state=run.state,
        message=clean(run.message)[:MAX_NOTES],
        started_at=_check_moment(run.started_at),
        ended_at=_check_moment(run.ended_at),
        parameters=dict(_read_parameters(run.parameters, remarks)),
        tags=dict(_read_tags(run.tags, remarks)),
        notes=clean(run.notes)[:MAX_NOTES],
        monitor=None if watched is None else to_word(watched) or None,
        mode=way,
        parent=None if run.parent is None else clean(run.parent)[:2000] or None,
        datasets=list(_read_datasets(run, remarks)),
        again=again,
    )


def _find_way(run: ForeignRun, monitor: str | None) -> Mode | None:
    """Return which way a metric gets better: as the source says of its own monitor, else as the name says."""
    if monitor is None or monitor == run.monitor:
        return None if run.mode is None else Mode(run.mode)
    guess = guess_monitor([monitor])
    return None if guess is None else Mode(guess[1])


def clean(text: str) -> str:
    """Return a text without NUL and half characters, which no database keeps."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


@dataclass
class Keys:
    """The names of a run's metrics: as the source says them, and as the tracker takes them."""

    remarks: Remarks
    _names: dict[str, str | None] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def find(self, key: str) -> str | None:
        """Return the name of a metric here; None for one that has none, or that another one has."""
        if key not in self._names:
            self._names[key] = self._choose(key)
        return self._names[key]

    def _choose(self, key: str) -> str | None:
        own = to_word(key)
        if not own or own in self._taken:
            self.remarks.add(f"the metric {_shown(key)}: " + ("another has its name here" if own else "it has no name"))
            return None
        self._taken.add(own)
        if own != key:
            self.remarks.add(f"the name of the metric {_shown(key)}, which is {own!r} here")
        return own


def clean_points(points: Points, own: str, remarks: Remarks) -> Points:
    """Return points under their name here, without those at impossible steps; impossible times become 1970."""
    steps, values, times = points.steps, points.values, points.times
    is_placed = (steps >= 0) & (steps <= MAX_WHOLE)
    if not is_placed.all():
        remarks.add(f"values of {own!r} at steps that are negative or beyond 2^53")
        steps, values, times = steps[is_placed], values[is_placed], times[is_placed]
    is_timed = (times >= _FIRST_SECOND) & (times <= _LAST_SECOND)
    if not is_timed.all():
        remarks.add(f"times of {own!r} that no calendar has")
        times = np.where(is_timed, times, 0.0)
    return Points(own, steps, values, times)


def _read_parameters(given: Mapping[str, Any], remarks: Remarks) -> Iterator[tuple[str, Any]]:
    count = 0
    for key, value in given.items():
        name = clean(key)
        if not name or len(name) > MAX_FIELD:
            remarks.add(f"the parameter {_shown(key)}: a name has 1 to {MAX_FIELD} characters")
        elif isinstance(value, str) and len(value) > MAX_TEXT:
            remarks.add(f"the parameter {_shown(key)}: its text has {len(value):,} characters, over {MAX_TEXT:,}")
        elif count >= MAX_PARAMETERS:
            remarks.add(f"parameters beyond {MAX_PARAMETERS:,}")
        else:
            count += 1
            yield name, _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
        return "a whole number of very many digits"
    return value


def _read_tags(given: Mapping[str, str], remarks: Remarks) -> Iterator[tuple[str, str]]:
    for count, (key, value) in enumerate(given.items()):
        name = UNSEEN.sub("\ufffd", key)
        if count >= MAX_KEYED_TAGS:
            remarks.add(f"tags beyond {MAX_KEYED_TAGS:,}")
            return
        if not name or len(name) > MAX_TAG_KEY:
            remarks.add(f"the tag {_shown(key)}: a key has 1 to {MAX_TAG_KEY} characters")
            continue
        if len(value) > MAX_TAG_VALUE:
            remarks.add(f"the tag {_shown(key)} beyond {MAX_TAG_VALUE:,} characters")
        yield name, clean(value)[:MAX_TAG_VALUE]


def _read_datasets(run: ForeignRun, remarks: Remarks) -> Iterator[ImportedDataset]:
    for count, given in enumerate(run.datasets):
        if count >= MAX_DATASETS:
            remarks.add(f"data sets beyond {MAX_DATASETS:,}")
            return
        try:
            yield ImportedDataset.model_validate(given)
        except ValidationError as error:
            reason = error.errors(include_url=False, include_context=False)[0]["msg"]
            remarks.add(f"the data set {_shown(str(given.get('name', '')))}: {reason}")


def _check_moment(moment: datetime | None) -> datetime | None:
    return moment if moment is not None and FIRST_YEAR < moment.year < LAST_YEAR else None


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 60 else f"{text[:60]}…")
