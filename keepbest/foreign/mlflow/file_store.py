"""MLflow's file store, `mlruns/`: a folder an experiment, a folder a run, a file a metric. Nothing outside is read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keepbest.errors import InvalidInput
from keepbest.foreign.foreign_run import ForeignFile, ForeignRun, Part, Points
from keepbest.foreign.mlflow.described import Omissions, StoredRun, describe_dataset, make_run, parents_first
from keepbest.foreign.mlflow.folders import list_folders, open_plain, read_mapping, read_text, walk_files

#: Bytes of a metric's file that are read at once, and of a parameter or tag.
_PIECE, _MAX_VALUE = 2**23, 2**17
_META = "meta.yaml"
#: Folders of a store that are no experiments.
_OTHERS = (".trash", "models")


class FileStore:
    """The runs of a store, those of deleted experiments and deleted runs left out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._left_out = Omissions()

    def runs(self) -> Iterator[ForeignRun]:
        """Yield the runs, parents first. Raises InvalidInput for a folder that is no store."""
        experiments = [path for path in list_folders(self.folder) if path.name not in _OTHERS]
        places = {place.name: place for experiment in experiments for place in self._list_runs(experiment)}
        if not places and not any((path / _META).is_file() for path in experiments):
            hint = "Name the folder that MLflow made, mlruns/, with a folder for each experiment."
            raise InvalidInput(f"{self.folder} is no file store of MLflow.", field="source", hint=hint)
        stored = [run for place in places.values() if (run := self._read_run(place)) is not None]
        for run in parents_first(stored):
            yield make_run(run, str(self.folder), _FileReader(places[run.id]).read)

    def left_out(self) -> list[str]:
        """Return what was left out of the store."""
        gone = [read_name(path) for path in list_folders(self.folder / ".trash")]
        models = [path.name for path in list_folders(self.folder / "models")]
        named = [f"deleted experiments: {', '.join(gone)}"] if gone else []
        return [*self._left_out.texts, *named, *([f"registered models: {', '.join(models)}"] if models else [])]

    def _list_runs(self, experiment: Path) -> list[Path]:
        if not (experiment / _META).is_file():
            return []
        return [path for path in list_folders(experiment) if (path / "metrics").is_dir() or (path / _META).is_file()]

    def _read_run(self, place: Path) -> StoredRun | None:
        try:
            meta = read_mapping(place / _META)
        except (InvalidInput, OSError) as error:
            if place.name not in ("datasets", "models", "traces"):
                self._left_out.say(f"the run {place.name}: {_reason(error)}")
            return None
        if str(meta.get("lifecycle_stage", "active")) != "active":
            self._left_out.say(f"the run {place.name}: it was deleted in MLflow")
            return None
        tags, parameters = (dict(self._read_values(place / name)) for name in ("tags", "params"))
        return StoredRun(
            id=place.name,
            name=str(meta.get("run_name") or ""),
            experiment=read_name(place.parent),
            status=str(meta.get("status", "")),
            started=meta.get("start_time"),
            ended=meta.get("end_time"),
            tags=tags,
            parameters=parameters,
            datasets=list(self._read_datasets(place)),
        )

    def _read_values(self, folder: Path) -> Iterator[tuple[str, str]]:
        for key, path, _ in walk_files(folder, self._left_out.say):
            try:
                yield key, read_text(path, _MAX_VALUE)
            except (InvalidInput, OSError) as error:
                self._left_out.say(f"{folder.name}/{key} of run {folder.parent.name}: {_reason(error)}")

    def _read_datasets(self, place: Path) -> Iterator[dict[str, Any]]:
        for used in list_folders(place / "inputs"):
            try:
                meta = read_mapping(used / _META)
                name = str(meta.get("source_id", ""))
                if meta.get("source_type") == "DATASET" and name.isalnum():
                    known = read_mapping(place.parent / "datasets" / name / _META)
                    tags = meta.get("tags")
                    named = tags.items() if isinstance(tags, dict) else ()
                    yield describe_dataset(known, {str(key): str(value) for key, value in named})
            except (InvalidInput, OSError) as error:
                self._left_out.say(f"a data set of run {place.name}: {_reason(error)}")


class _FileReader:
    """Reads what one run reported."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def read(self, left_out: Omissions) -> Iterator[Part]:
        for key, path, _ in walk_files(self._place / "metrics", left_out.say):
            yield from read_metric(key, path, left_out)
        for name, path, size in walk_files(self._place / "artifacts", left_out.say):
            yield ForeignFile(name, size, lambda path=path: open_plain(path))  # type: ignore[misc]


def read_metric(key: str, path: Path, left_out: Omissions) -> Iterator[Points]:
    """Yield the values of a metric's file, a piece at a time; a line that is none is left out and said."""
    with open_plain(path) as file:
        rest = b""
        while piece := file.read(_PIECE):
            whole, end, tail = (rest + piece).rpartition(b"\n")
            if not end and len(tail) > _PIECE:
                left_out.say(f"values of {key!a}: a line has more than {_PIECE:,} bytes")
                return
            rest = tail
            if whole:
                yield from _read_lines(key, whole, left_out)
        if rest.strip():
            yield from _read_lines(key, rest, left_out)


def _read_lines(key: str, text: bytes, left_out: Omissions) -> Iterator[Points]:
    try:
        rows = np.loadtxt(io.BytesIO(text), usecols=(0, 1, 2), ndmin=2, comments=None)
    except (ValueError, IndexError):
        rows = np.array(list(_read_each(key, text, left_out)), float).reshape(-1, 3)
    if len(rows):
        is_whole = np.abs(rows[:, 2]) < 2**62
        steps = np.where(is_whole, rows[:, 2], -1).astype(np.int64)
        yield Points(key, steps, rows[:, 1].copy(), rows[:, 0] / 1000)


def _read_each(key: str, text: bytes, left_out: Omissions) -> Iterator[tuple[float, float, float]]:
    for line in text.splitlines():
        words = line.split()
        try:
            yield float(words[0]), float(words[1]), float(words[2]) if len(words) > 2 else 0.0
        except (ValueError, IndexError):
            if words:
                left_out.say(f"lines of {key!a} that are no value: {line[:60]!r}")


def read_name(experiment: Path) -> str:
    """Return an experiment's name, or that of its folder where nothing says it."""
    try:
        return str(read_mapping(experiment / _META).get("name") or experiment.name)
    except (InvalidInput, OSError):
        return experiment.name


def _reason(error: Exception) -> str:
    if isinstance(error, InvalidInput):
        return error.message
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
