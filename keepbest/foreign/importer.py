"""Sends foreign runs to a tracker: twice is once, what is new of a source is added, a cut-off import goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from keepbest.client.client import Client
from keepbest.contract.imports import (
    MAX_SEGMENTS,
    ImportedMetric,
    ImportedRun,
    ImportEnd,
    ImportProgress,
    ImportRequest,
)
from keepbest.contract.runs import Mode
from keepbest.errors import Conflict, InvalidInput, KeepbestError, RunDeleted, Unreachable
from keepbest.foreign.batches import Batches
from keepbest.foreign.cleaning import Keys, Remarks, clean_points, describe_run
from keepbest.foreign.files import ArtifactSender
from keepbest.foreign.foreign_run import ForeignFile, ForeignRun, Part, Points, Resumption
from keepbest.foreign.report import ImportOutcome, ImportReport, ImportStatus
from keepbest.hints import nearest
from keepbest.stopping import choose_monitor, find_mode

#: What a source says of its own monitor: a tag of keepbest, or the parameters of Keras' EarlyStopping.
_SAYS_MONITOR, _STOPPING = "keepbest.monitor", {"monitor", "patience", "min_delta"}


class SourceChanged(Conflict):
    """The source was written anew since it was imported."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the caller says in place of the sources; `again` makes new runs where sources made some before."""

    project: str | None = None
    monitor: str | None = None
    mode: Mode | None = None
    again: bool = False


def _watch_nothing(points: int) -> None: ...


def import_runs(
    client: Client | None,
    runs: Iterable[ForeignRun],
    wishes: Wishes | None = None,
    *,
    watch: Callable[[int], object] = _watch_nothing,
    say: Callable[[ImportOutcome], object] | None = None,
) -> ImportReport:
    """Import runs one after another, and report on each.

    Args:
        client: The tracker; None only looks at the sources and says what would come.
        runs: What a reader yields.
        wishes: What replaces what the sources say.
        watch: Called with how many points came, now and then.
        say: Called with the outcome of each run.

    A run that the tracker refuses is left out, and the next one comes. Raises Unreachable where tracker or source
    do not answer; the same import again goes on from there.
    """
    wishes, outcomes = wishes or Wishes(), list[ImportOutcome]()
    for run in runs:
        outcome = _look_at(run, wishes) if client is None else _Taking(client, run, wishes, watch).take()
        outcomes.append(outcome)
        if say is not None:
            say(outcome)
    return ImportReport(runs=outcomes)


@dataclass
class _Metrics:
    """Where a reading of a source is: the segment, and how many points of each metric it has brought."""

    remarks: Remarks
    keys: Keys = field(init=False)
    counts: dict[str, int] = field(default_factory=dict)
    segment: int = 0
    first: float | None = None
    last: float | None = None
    _is_begun: bool = False

    def __post_init__(self) -> None:
        self.keys = Keys(self.remarks)

    @property
    def points(self) -> int:
        return sum(self.counts.values())

    def place(self, points: Points) -> tuple[Points, int] | None:
        """Return points as the tracker takes them, and how many of their metric came before; None for none."""
        own = self.keys.find(points.key)
        if own is None or not len(points):
            return None
        cleaned = clean_points(points, own, self.remarks)
        if not len(cleaned):
            return None
        offset = self.counts.get(own, 0)
        self.counts[own] = offset + len(cleaned)
        self._is_begun = True
        low, high = float(cleaned.times.min()), float(cleaned.times.max())
        self.first = low if self.first is None else min(self.first, low)
        self.last = high if self.last is None else max(self.last, high)
        return cleaned, offset

    def resume(self) -> None:
        """Begin a segment, unless nothing came in the present one."""
        if not self._is_begun:
            return
        if self.segment + 1 >= MAX_SEGMENTS:
            self.remarks.add(f"segments beyond {MAX_SEGMENTS:,}: later values are in the last one")
            return
        self.segment, self._is_begun = self.segment + 1, False


@dataclass
class _Taking:
    """The import of one run."""

    client: Client
    run: ForeignRun
    wishes: Wishes
    watch: Callable[[int], object]
    remarks: Remarks = field(default_factory=Remarks)
    new_points: int = 0

    def take(self) -> ImportOutcome:
        """Import the run and return what became of it."""
        try:
            request = _describe(self.run, self.wishes, self.remarks)
            begun = self.client.imports.begin(request)
            metrics, files = self._fill(begun)
            progress = self._finish(begun.run, metrics)
        except (InvalidInput, Conflict, RunDeleted) as error:
            return _leave_out(self.run, error, self.remarks)
        _explain_monitor(request, progress, metrics, self.remarks)
        return self._report(request, begun, metrics, files, progress)

    def _fill(self, begun: ImportedRun) -> tuple[_Metrics, ArtifactSender]:
        """Send what the tracker lacks, in the source's order."""
        known = {metric.key: metric for metric in begun.metrics}
        if known:
            _check_unchanged(self.run, known)
        metrics = _Metrics(self.remarks)
        files = ArtifactSender(self.client, begun.run, self.remarks, begun.is_new)
        batches = Batches(lambda body: self._send(begun.run, body))
        for part in _read_parts(self.run, self.remarks):
            if isinstance(part, Resumption):
                metrics.resume()
            elif isinstance(part, ForeignFile):
                files.send(part)
            elif (placed := metrics.place(part)) is not None:
                points, offset = placed
                there = known[points.key].count - offset if points.key in known else 0
                if there < len(points):
                    batches.add(metrics.segment, offset + max(there, 0), _drop(points, max(there, 0)))
        batches.flush()
        return metrics, files

    def _send(self, run: str, body: bytes) -> None:
        taken = self.client.imports.send(run, body).taken
        self.new_points += taken
        self.watch(taken)

    def _finish(self, run: str, metrics: _Metrics) -> ImportProgress:
        """Have the validations judged, a piece at a time."""
        for text in self.run.left_out():
            self.remarks.add(text)
        end = ImportEnd(
            state=self.run.state,
            message=self.run.message,
            started_at=self.run.started_at or _to_moment(metrics.first),
            ended_at=self.run.ended_at or _to_moment(metrics.last),
        )
        progress = self.client.imports.finish(run, end)
        while progress.left:
            progress = self.client.imports.finish(run, end)
        return progress

    def _report(
        self,
        request: ImportRequest,
        begun: ImportedRun,
        metrics: _Metrics,
        files: ArtifactSender,
        progress: ImportProgress,
    ) -> ImportOutcome:
        is_grown = self.new_points or files.sent or not begun.is_complete
        status: ImportStatus = "new" if begun.is_new else "grown" if is_grown else "there"
        return ImportOutcome(
            **_name(self.run),
            status=status,
            project=begun.project,
            run=begun.run,
            number=begun.number,
            points=metrics.points,
            new_points=self.new_points,
            files=files.files,
            new_files=files.sent,
            bytes=files.bytes,
            validations=progress.validations,
            monitor=progress.monitor,
            mode=progress.mode,
            is_guessed=progress.monitor is not None and not _says_monitor(self.run, self.wishes, request),
            best_step=progress.best_step,
            best_value=progress.best_value,
            left_out=self.remarks.list(),
        )


def _look_at(run: ForeignRun, wishes: Wishes) -> ImportOutcome:
    """Read a run, send nothing, and return what would come."""
    remarks, files, size = Remarks(), 0, 0
    metrics = _Metrics(remarks)
    try:
        request = _describe(run, wishes, remarks)
        for part in _read_parts(run, remarks):
            if isinstance(part, ForeignFile):
                files, size = files + 1, size + part.size
            elif isinstance(part, Points):
                metrics.place(part)
    except (InvalidInput, Conflict) as error:
        return _leave_out(run, error, remarks)
    for text in run.left_out():
        remarks.add(text)
    monitor = request.monitor or choose_monitor(sorted(metrics.counts))
    mode = request.mode or (find_mode(monitor) if monitor is not None else None)
    return ImportOutcome(
        **_name(run),
        status="would_come",
        project=request.project,
        points=metrics.points,
        files=files,
        bytes=size,
        monitor=monitor,
        mode=None if mode is None else Mode(mode),
        is_guessed=monitor is not None and not _says_monitor(run, wishes, request),
        left_out=remarks.list(),
    )


def _read_parts(run: ForeignRun, remarks: Remarks) -> Iterator[Part]:
    """Yield the parts of a run up to the first that cannot be read; what was right before it is kept."""
    parts = run.parts()
    while True:
        try:
            part = next(parts)
        except StopIteration:
            return
        except Unreachable:
            raise  # the rest is there, and comes with the next import
        except KeepbestError as error:
            remarks.add(f"what follows: {error.message}")
            return
        except OSError as error:
            remarks.add(f"what follows: {error.strerror or error}")
            return
        yield part


def _describe(run: ForeignRun, wishes: Wishes, remarks: Remarks) -> ImportRequest:
    return describe_run(
        run, remarks, project=wishes.project, monitor=wishes.monitor, mode=wishes.mode, again=wishes.again
    )


def _check_unchanged(run: ForeignRun, known: dict[str, ImportedMetric]) -> None:
    """Raise SourceChanged unless each metric of the source begins with the points that the tracker has."""
    metrics = _Metrics(Remarks())
    for part in _read_parts(run, Remarks()):
        if isinstance(part, Points) and (placed := metrics.place(part)) is not None:
            points, offset = placed
            taken = known.get(points.key)
            if taken is not None and offset < taken.count <= offset + len(points):
                _compare(run, points, taken.count - 1 - offset, taken)
    for key, taken in known.items():
        if metrics.counts.get(key, 0) < taken.count:
            raise _refuse(run, f"{key!r} has {metrics.counts.get(key, 0):,} values, not {taken.count:,} as before")


def _compare(run: ForeignRun, points: Points, place: int, taken: ImportedMetric) -> None:
    value, before = float(points.values[place]), taken.value
    is_same = value == before or (np.isnan(value) and np.isnan(before))
    if not is_same or int(points.steps[place]) != taken.step:
        raise _refuse(run, f"value {taken.count:,} of {points.key!r} is another")


def _refuse(run: ForeignRun, what: str) -> SourceChanged:
    return SourceChanged(
        f"{run.source} was written anew since it was imported: {what}.", hint="--again makes a new run of it."
    )


def _leave_out(run: ForeignRun, error: KeepbestError, remarks: Remarks) -> ImportOutcome:
    reason = f"{error.message} {error.hint}" if error.hint else error.message
    return ImportOutcome(**_name(run), status="left_out", left_out=[reason, *remarks.list()])


def _name(run: ForeignRun) -> dict[str, Any]:
    return {"kind": run.kind, "source": run.source, "name": run.name}


def _drop(points: Points, count: int) -> Points:
    return Points(points.key, points.steps[count:], points.values[count:], points.times[count:])


def _to_moment(seconds: float | None) -> datetime | None:
    return None if seconds is None or seconds <= 0 else datetime.fromtimestamp(seconds, UTC)


def _says_monitor(run: ForeignRun, wishes: Wishes, request: ImportRequest) -> bool:
    if run.is_guessed and wishes.monitor is None:
        return False
    return request.monitor is not None or _SAYS_MONITOR in request.tags or request.parameters.keys() >= _STOPPING


def _explain_monitor(request: ImportRequest, progress: ImportProgress, metrics: _Metrics, remarks: Remarks) -> None:
    """Say why no value was judged, or not every one."""
    if progress.unjudged:
        remarks.add(f"{progress.unjudged:,} validations: one run has no more; the values are in the curve")
    if progress.monitor is not None or not metrics.counts:
        return
    watched = request.monitor or request.tags.get(_SAYS_MONITOR)
    if watched is None:
        remarks.add("validations: no metric is named val_… as Keras does; --monitor and --mode say which one to judge")
    elif watched not in metrics.counts:
        remarks.add(f"validations: there is no metric {watched!r}. {nearest(watched, metrics.counts) or ''}".strip())
    else:
        remarks.add(f"validations: which way {watched} gets better its name does not say; --mode does")
