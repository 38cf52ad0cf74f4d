"""Records a run in the shapes of the contract: metrics, segments, validations, checkpoints."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from keepbest.contract.base import CheckpointKind
from keepbest.contract.batches import (
    CheckpointDropped,
    CheckpointDurable,
    LogLines,
    Progress,
    ReportedValidation,
    SegmentOpened,
    WithdrawnValidation,
)
from keepbest.contract.names import to_word
from keepbest.contract.overrides import Overrides
from keepbest.contract.per_example import MAX_CORRECT, MAX_EXAMPLES_NOTE, Examples
from keepbest.contract.runs import Memory, SegmentReason
from keepbest.journal.batch import Record
from keepbest.journal.records import fit, to_count
from keepbest.journal.uploader import Uploader
from keepbest.journal.values import MAX_STEP, check_keys, check_step, clean, to_number
from keepbest.stopping import Correct, Decision, Pairs, Unpaired, Validation
from keepbest.stopping.pairs import to_record
from keepbest.tracking.held_resume_points import ResumePoints
from keepbest.tracking.process.heartbeat import Life, Sign, Watch, write
from keepbest.tracking.sinks import NoSink, RecordSink

MAX_TRACKED_KEYS = 10_000
MAX_VALIDATION_METRICS = 200
MAX_NOTE = 500
#: Characters of one line of the log.
MAX_LINE = 10_000
#: Characters of all lines that one process notes.
MAX_NOTED = 2**24
N = TypeVar("N")
_log = logging.getLogger("keepbest")


class Recorder:
    """Writes the records of a run into its sink. `log`, `say` and the checkpoint methods are safe from any thread."""

    def __init__(self, monitor: str, uploader: Uploader | None, first_segment: int) -> None:
        self.monitor = monitor
        self.uploader = uploader
        #: The first segment of this process; earlier processes wrote the segments before it.
        self.first_segment = self.segment = first_segment
        self.step = 0
        self._next_segment = first_segment
        self.life = Life()
        #: The last value of each metric of this process.
        self.latest: dict[str, float] = {}
        #: Gets the values of each call of `log`.
        self.take_values: Callable[[dict[str, float]], object] | None = None
        #: Checkpoints that this process needs, each with the reason.
        self.held: dict[str, str] = {}
        #: The checkpoints that the tracker may choose for a next attempt.
        self.resume_points = ResumePoints()
        self._environment: dict[str, Any] = {}
        self._describing = Lock()
        #: The offset of the newest line of `note`: microseconds, so that those of a later process come after it.
        self._noted_at = 0
        self._noted_room = MAX_NOTED
        self._keys: set[str] = set()
        self._refused: set[Any] = set()
        #: The recorded names of keys that cannot be recorded as they are.
        self._renamed: dict[str, str] = {}
        #: Takes the records. Before the first segment is open, and after the end, another sink takes its place.
        self.sink: RecordSink = uploader if uploader is not None else NoSink()

    def log(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log the values of metrics at a step; without a step, at the step after the last.

        The call takes a few microseconds; the values are not durable yet. A value that is no number is left out, with
        one warning.
        """
        if step is None:
            step = self.step + 1
        elif type(step) is not int or not 0 <= step <= MAX_STEP:
            step = check_step(step)
        if not self._keys.issuperset(metrics):
            self._learn(metrics)
        values = {
            key: value if type(value) is float else to_number(value)
            for key, value in metrics.items()
            if key in self._keys and value is not None
        }
        self.step = step
        self.life.count += 1
        self.latest.update(values)
        if self.take_values is not None:
            self.take_values(values)
        self.sink.put((step, time.time(), self.segment, self._rename(values) if self._renamed else values))

    def log_beside(self, values: dict[str, float]) -> None:
        """Log values at the present step from another thread; they are no sign of life, and open no segment."""
        if self.sink is self.uploader:
            self.sink.put((self.step, time.time(), self.segment, values))

    def record_validation(
        self,
        validation: Validation,
        decision: Decision,
        *,
        snapshot: str | None = None,
        checkpoint: str | None = None,
        note: str | None = None,
        is_logged: bool = False,
    ) -> None:
        """Write a row of the decision log, and the measured values into their curves unless they are logged already.

        `snapshot` and `checkpoint` name the kept states of the validation.
        """
        value, pairs = validation.value, validation.pairs
        measured = {**validation.metrics, self.monitor: value}
        if not is_logged:
            self.log({key: number for key, number in measured.items() if number is not None}, validation.step)
        shown = [key for key in measured if key in self._keys][-MAX_VALIDATION_METRICS:]
        self.say(
            fit(
                ReportedValidation,
                segment=self.segment,
                step=validation.step,
                value=value,
                n=to_count(validation.n),
                epoch=validation.epoch,
                seconds=validation.duration_seconds,
                metrics=self._rename({key: to_number(measured[key]) for key in shown}),
                decision=decision.to_json(),
                snapshot=snapshot,
                checkpoint=checkpoint,
                note=note and clean(note)[:MAX_NOTE],
                examples=None if value is None or pairs is None else describe_examples(pairs),
                at=now(),
            )
        )

    def record_withdrawal(
        self, segment: int, step: int, value: float, reason: str, decision: Decision, checkpoint: str | None
    ) -> None:
        """Write into the decision log that a validation was withdrawn. Safe from the writer's thread."""
        self.say(
            fit(
                WithdrawnValidation,
                segment=segment,
                step=step,
                value=value,
                reason=clean(reason)[:MAX_NOTE],
                decision=decision.to_json(),
                checkpoint=checkpoint,
                at=now(),
            )
        )

    # What was kept

    def checkpoint_durable(
        self,
        checkpoint: str,
        *,
        step: int,
        kind: CheckpointKind,
        value: float | None,
        digest: str,
        size_bytes: int,
        written_bytes: int,
        location: str,
        store: str | None = None,
        n: int | None = None,
        segment: int | None = None,
        seconds: float | None = None,
        at: datetime | None = None,
    ) -> None:
        """Record that a checkpoint is durable since `at`, by default since now. Safe from the writer's thread."""
        self.resume_points.add(checkpoint)
        self.say(
            fit(
                CheckpointDurable,
                id=checkpoint,
                segment=self.segment if segment is None else segment,
                step=step,
                kind=kind,
                value=to_number(value),
                n=to_count(n),
                digest=digest,
                size_bytes=size_bytes,
                written_bytes=written_bytes,
                location=location,
                store=store,
                seconds=seconds,
                at=at or now(),
            )
        )

    def checkpoint_dropped(self, checkpoint: str, reason: str) -> None:
        """Record that a checkpoint was removed, or never written because a newer checkpoint replaced it."""
        self.say(fit(CheckpointDropped, id=checkpoint, reason=clean(reason)[:MAX_NOTE], at=now()))

    def is_written_down(self, seconds: float) -> bool:
        """Wait until the journal holds every record, which a killed process then leaves; return whether it does."""
        return self.uploader is None or self.uploader.write_down(seconds)

    def needed_checkpoints(self) -> dict[str, str]:
        """Return the ids of the checkpoints that must stay, each with the reason: for this process and the tracker."""
        if self.uploader is None or self.uploader.is_offline:
            return dict(self.held)
        receipt = self.uploader.receipt
        points = self.resume_points.find(receipt, is_away=self.uploader.problem is not None)
        needed = self.held | dict.fromkeys(points, "the tracker may have the run go on there")
        if receipt is not None and receipt.best_checkpoint is not None:
            needed[receipt.best_checkpoint] = "the tracker's best"
        return needed

    def note(self, text: str) -> None:
        """Write a line into the run's log; after MAX_NOTED characters of this process, none. Safe from any thread."""
        at = now()
        with self._describing:
            room = self._noted_room
            self._noted_room = room - len(text)
            if room <= 0:
                return
            offset = self._noted_at = max(self._noted_at + 1, int(at.timestamp() * 1e6))
        line = f"keepbest: {clean(text)[:MAX_LINE]}\n"
        self.say(fit(LogLines, stream="keepbest", offset=offset, text=line, at=at))

    def say(self, record: Record | None) -> None:
        """Record any record of `keepbest.contract.batches`; None stands for a record that did not fit."""
        if record is not None:
            self.sink.put(record)

    def send_now(self) -> None:
        """Send every record now."""
        if self.uploader is not None:
            self.uploader.send_now()

    def report(self, **progress: Any) -> None:
        """Report fields of `Progress`: step, epoch, mode, resume, resume_note, environment, error."""
        self.say(fit(Progress, at=now(), **progress))

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Report facts of the run's environment, with all that were reported before. Safe from any thread."""
        with self._describing:
            self._environment = {**self._environment, **facts}
            self.report(environment=self._environment)

    def watch_memory(self, take_news: Callable[[], Memory | None]) -> None:
        """Report the snapshots in memory, in the uploader's thread, whenever `take_news` returns them."""
        if self.uploader is None:
            return

        def ask() -> Progress | None:
            memory = take_news()
            return fit(Progress, at=now(), memory=memory) if memory is not None else None

        self.uploader.watch(ask)

    def beat(self) -> None:
        """Report that training goes on while nothing is logged for minutes, as in a long validation."""
        self.life.beat()

    def show_life(self, folder: Path) -> None:
        """Write the signs of life of the training thread into `folder`, where the worker reads them."""
        shown: Sign | None = None

        def show() -> None:
            nonlocal shown
            if (sign := self.life.sign) != shown:
                shown = sign
                write(folder, sign)

        if self.uploader is not None:
            self.uploader.watch(show)

    def watch_life(self, seconds: float) -> None:
        """Report when the run stalls, and when it goes on: for a script without a worker to watch it."""
        watch, stalled = Watch(seconds, time.monotonic), False

        def judge() -> Progress | None:
            nonlocal stalled
            watch.see(self.life.sign)
            if (watch.silence is not None) == stalled:
                return None
            stalled = not stalled
            return Progress(at=now(), stalled=stalled)

        if self.uploader is not None and seconds > 0:
            self.uploader.watch(judge)

    def open_segment(
        self,
        reason: SegmentReason,
        step: int,
        parent: int | None,
        checkpoint: str | None,
        overrides: Overrides | None = None,
    ) -> int:
        """Open a segment at `step`, which branches off segment `parent`; return its number."""
        number = self._next_segment
        self._next_segment += 1
        if checkpoint is not None:
            self.resume_points.add(checkpoint)
        self.say(
            fit(
                SegmentOpened,
                number=number,
                parent=parent,
                reason=reason,
                start_step=step,
                checkpoint=checkpoint,
                overrides=overrides if overrides != Overrides() else None,
                at=now(),
            )
        )
        self.segment, self.step = number, step
        return number

    def _rename(self, values: dict[str, N]) -> dict[str, N]:
        return {self._renamed.get(key, key): value for key, value in values.items()}

    def _learn(self, metrics: Mapping[str, Any]) -> None:
        """Admit the new keys that are usable; leave the others out from now on, with one warning."""
        new = {key: value for key, value in metrics.items() if value is not None and key not in self._keys}
        new = {key: value for key, value in new.items() if key not in self._refused}
        usable = check_keys(new, MAX_TRACKED_KEYS - len(self._keys))
        self._keys.update(usable)
        for key in usable:
            if (name := to_word(key)) != key:
                self._renamed[key] = name
                _log.warning("keepbest: metric %.200r is kept as %r.", key, name)
        self._refused.update(set(new).difference(usable))


def describe_examples(pairs: Pairs) -> Examples | None:
    """Return a validation's pairs as the record holds them; None for more examples than a record can hold."""
    if isinstance(pairs, Correct) and pairs.n > MAX_CORRECT:
        return None
    if isinstance(pairs, Unpaired):
        pairs = Unpaired(clean(pairs.why)[:MAX_EXAMPLES_NOTE])
    return Examples.model_validate(to_record(pairs))


def now() -> datetime:
    return datetime.now(UTC)
