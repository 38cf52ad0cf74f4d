"""W&B's offline runs below a folder, as foreign runs. Folders of one run, which was gone on with, are one run."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from keepbest.contract.base import MAX_WHOLE, Scalar
from keepbest.contract.names import to_name
from keepbest.errors import InvalidInput, NotFound
from keepbest.foreign.foreign_run import ForeignFile, ForeignRun, Part, Resumption
from keepbest.foreign.monitor import guess_monitor
from keepbest.foreign.rows import RowPoints
from keepbest.foreign.wandb import records
from keepbest.foreign.wandb.record_log import RecordLog
from keepbest.foreign.wandb.records import MetricRule, WandbRecord, flatten, read_items, read_moment
from keepbest.foreign.wire import WireFault, read_fields, read_text, read_whole
from keepbest.status import RunState
from keepbest.stopping.validation import Mode

_FOLDER = re.compile(r"(offline-)?run-(\d{8}_\d{6})-.+")
_OWN = frozenset({"_step", "_timestamp", "_runtime"})
MAX_FOLDERS, MAX_FILES, MAX_KEYS = 100_000, 2_000, 10_000
#: Texts of the run's record, by number, and the tag that each becomes.
_TAGS = {1: "wandb.id", 2: "wandb.entity", 6: "wandb.group", 7: "wandb.job_type", 12: "wandb.sweep", 13: "wandb.host"}
_MACHINE = {1: "wandb.os", 2: "wandb.python", 6: "wandb.program", 18: "wandb.gpu"}
_PROJECT, _CONFIG, _NAME, _NOTES, _WORDS, _STARTED, _GIT = 3, 4, 8, 9, 10, 17, 21


def read_run_folders(folder: Path) -> Iterator[ForeignRun]:
    """Yield the offline runs below a folder, the oldest first: a run's own folder, `wandb`, or one above it.

    Raises NotFound if there is no such folder, InvalidInput if it holds no run of W&B.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", hint="Name the folder `wandb` that the script made.")
    logs = sorted(_find_logs(folder), key=_sort_key)
    if not logs:
        raise InvalidInput(f"{folder} holds no offline run of W&B.", hint="They lie in wandb/offline-run-….")
    groups: dict[tuple[str, str], list[_Log]] = {}
    for path in logs:
        log = _Log(path)
        log.describe()
        groups.setdefault((log.project, log.id or str(path.resolve())), []).append(log)
    for (project, id), group in groups.items():
        yield _show_run(project, id, group)


def _find_logs(folder: Path) -> Iterator[Path]:
    for count, (path, folders, files) in enumerate(os.walk(folder)):
        if count >= MAX_FOLDERS:
            raise InvalidInput(f"{folder} holds more than {MAX_FOLDERS:,} folders.", hint="Name a folder within it.")
        folders.sort()
        logs = [Path(path, name) for name in sorted(files) if name.endswith(".wandb")]
        if logs:
            folders.clear()
            yield from logs


def _sort_key(path: Path) -> tuple[str, str]:
    match = _FOLDER.fullmatch(path.parent.name)
    return (match[2] if match else "", str(path))


@dataclass
class _Log:
    """One `.wandb` file, and what its records say beside the history."""

    path: Path
    id: str = ""
    project: str = ""
    name: str = ""
    notes: str = ""
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    parameters: dict[str, Scalar] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    rules: list[MetricRule] = field(default_factory=list)
    keys: dict[str, None] = field(default_factory=dict)
    missing: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def describe(self) -> None:
        """Read everything once."""
        for _ in self.read_rows():
            pass

    def read_rows(self) -> Iterator[tuple[int, float, dict[str, float]]]:
        """Yield step, moment and numbers of each record of the history."""
        self.missing.clear()
        self.rules.clear()
        log, last = RecordLog(self.path), -1
        self.faults = log.faults
        try:
            for data in log.read():
                try:
                    record = records.read_record(data)
                    if record is not None and record.kind != records.HISTORY:
                        self._take(record)
                    elif record is not None:
                        last, at, numbers = self._read_history(record, last)
                        yield last, at, numbers
                except (WireFault, RecursionError):
                    self.missing["records that cannot be read."] += 1
        except OSError as error:
            self.faults.append(f"{self.path}: {error.strerror or error}.")

    def _read_history(self, record: WandbRecord, last: int) -> tuple[int, float, dict[str, float]]:
        step, numbers, others = records.read_numbers(record)
        own = numbers.get("_step", math.nan)
        step = step if step is not None else int(own) if own.is_integer() else last + 1
        at = numbers.get("_timestamp", math.nan)
        at = at if math.isfinite(at) else self.started or 0.0
        media = {key.removesuffix("._type") for key in others if key.endswith("._type")}
        kept = {key: value for key, value in numbers.items() if key not in _OWN and not _is_inside(key, media)}
        if len(self.keys) + len(kept) > MAX_KEYS:
            self.missing["values of too many metrics."] += len(kept.keys() - self.keys)
            kept = {key: value for key, value in kept.items() if key in self.keys}
        self.missing["values that are neither numbers nor files."] += sum(
            not _is_inside(key, media) for key in others if not key.endswith("._type")
        )
        for name in media:
            kind = others[f"{name}._type"].strip('"')
            self.missing[f"values of the kind {kind}: their files are kept, if they have any."] += 1
        self.keys.update(dict.fromkeys(kept))
        self.ended = at if self.ended is None else max(at, self.ended)
        return step, at, kept

    def _take(self, record: WandbRecord) -> None:
        """Take in a record that says something of the run as a whole."""
        if record.kind == records.RUN:
            self._take_run(record)
        elif record.kind == records.CONFIG:
            self._take_config(read_items(record.data, record.place))
        elif record.kind == records.SUMMARY:
            self.summary.update(read_items(record.data, record.place))
        elif record.kind == records.METRIC:
            self.rules.append(records.read_rule(record))
        elif record.kind == records.ENVIRONMENT:
            texts = record.texts()
            self.tags.update({tag: texts[number] for number, tag in _MACHINE.items() if texts.get(number)})
        elif record.kind == records.EXIT:
            codes = [read_whole(record.data, inner) for inner in record.fields() if inner.number == 1]
            self.exit_code = codes[-1] if codes else 0
        elif record.kind == records.STATS:
            self.missing["measurements of the machine."] += 1

    def _take_run(self, record: WandbRecord) -> None:
        texts = record.texts()
        self.id = texts.get(1, self.id)
        self.project = texts.get(_PROJECT, self.project)
        self.name = texts.get(_NAME, self.name)
        self.notes = texts.get(_NOTES, self.notes)
        self.tags.update({tag: texts[number] for number, tag in _TAGS.items() if texts.get(number)})
        for inner in record.fields():
            if inner.number == _WORDS:
                self.tags[read_text(record.data, inner)] = ""
            elif inner.number == _CONFIG:
                self._take_config(read_items(record.data, inner))
            elif inner.number == _STARTED:
                self.started = read_moment(record.data, inner)
            elif inner.number == _GIT:
                parts = {part.number: part for part in read_fields(record.data, inner.start, inner.end)}
                self.tags.update({
                    tag: read_text(record.data, parts[number])
                    for number, tag in ((1, "wandb.git_remote"), (2, "wandb.git_commit"))
                    if number in parts
                })  # fmt: skip

    def _take_config(self, items: Iterable[tuple[str, Any]]) -> None:
        for key, value in items:
            if key != "_wandb" and not key.startswith("_wandb."):
                self.parameters.update(flatten(key, value))

    def find_step(self, key: str, step: int, numbers: dict[str, float]) -> int:
        """Return the step of a value: that of the metric's own axis, if it has one that counts in whole numbers."""
        for rule in reversed(self.rules):
            if rule.step_metric and (rule.name == key or (rule.glob and fnmatchcase(key, rule.glob))):
                own = numbers.get(rule.step_metric, -1.0)
                return int(own) if own.is_integer() and 0 <= own <= MAX_WHOLE else step
        return step

    def list_files(self) -> Iterator[ForeignFile]:
        """Yield the files that the run kept; a link is none of them."""
        top, count = self.path.parent / "files", 0
        for folder, folders, names in os.walk(top):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if path.is_symlink() or not path.is_file():
                    continue
                count += 1
                if count > MAX_FILES:
                    self.missing[f"files beyond {MAX_FILES:,}."] += 1
                    continue
                yield ForeignFile(path.relative_to(top).as_posix(), path.stat().st_size, partial(_open, path))


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def _is_inside(key: str, media: set[str]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in media)


def _show_run(project: str, id: str, logs: list[_Log]) -> ForeignRun:
    first, last = logs[0], logs[-1]
    state = _STATES.get(last.exit_code, RunState.FAILED)
    keys = [key for log in logs for key in log.keys]
    modes: dict[str, Mode] = {
        rule.name: "min" if rule.mode == "min" else "max" for log in logs for rule in log.rules if rule.mode
    }
    monitor, mode = _find_monitor(keys, modes)
    summary = {key: value for log in logs for key, value in _read_summary(log, keys)}
    tags = {key: value for log in logs for key, value in log.tags.items()}
    return ForeignRun(
        "wandb",
        f"{project}/{id}",
        name=to_name(last.name) or to_name(id) or "run",
        parts=partial(_read_parts, logs),
        project=to_name(project) or None,
        place=str(last.path.parent),
        message="" if last.exit_code in (0, None) else f"Exit code {last.exit_code}.",
        state=state,
        started_at=_as_moment(first.started),
        ended_at=_as_moment(last.ended),
        parameters={key: value for log in logs for key, value in log.parameters.items()},
        tags={**tags, **{f"summary.{key}": str(value) for key, value in summary.items()}},
        notes=last.notes,
        monitor=monitor,
        mode=mode,
        is_guessed=monitor is not None and monitor not in modes,
        left_out=lambda: list(_say_missing(logs)),
    )


_STATES: dict[int | None, RunState] = {0: RunState.FINISHED}


def _read_parts(logs: list[_Log]) -> Iterator[Part]:
    reached = -1
    for log in logs:
        points, is_begun = RowPoints(), False
        for step, at, numbers in log.read_rows():
            if not is_begun and step <= reached:
                yield Resumption(at)
            is_begun, reached = True, max(step, reached) if is_begun else step
            for key, value in numbers.items():
                points.add(key, log.find_step(key, step, numbers), value, at)
            yield from points.take_full()
        yield from points.take_all()
        yield from log.list_files()


def _find_monitor(keys: Iterable[str], modes: Mapping[str, Mode]) -> tuple[str | None, Mode | None]:
    """Return the metric that was watched: by its name, else one of which `define_metric` says which way is better."""
    guess = guess_monitor(keys)
    if guess is not None:
        return guess[0], modes.get(guess[0], guess[1])
    return next(((key, modes[key]) for key in keys if key in modes), (None, None))


def _read_summary(log: _Log, keys: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Yield what a script wrote into the summary itself: what is logged too is in the curves, or in the files."""
    known = set(keys)
    media = {key.removesuffix("._type") for key in log.summary if key.endswith("._type")}
    for key, value in log.summary.items():
        is_own = not key.startswith("_") and key not in known and not _is_inside(key, media)
        if is_own and isinstance(value, str | int | float):
            yield key, value


def _as_moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None and 0 < seconds < 32_000_000_000 else None


def _say_missing(logs: list[_Log]) -> Iterator[str]:
    for log in logs:
        yield from log.faults
    for what, count in sorted(sum((log.missing for log in logs), Counter[str]()).items()):
        if count:
            yield f"{count:,} {what}"
    if logs[-1].exit_code is None:
        yield f"{logs[-1].path} does not say how the run ended."
