"""Checkpoints that a script keeps as files: each version is tied to its validation, and retention judges the versions.

`mlflow.tensorflow.autolog` writes `checkpoints/latest_checkpoint.h5` anew at each best, and before it
`checkpoints/latest_checkpoint_metrics.json` with epoch and values. Such a pair is a checkpoint of that epoch. A file
without a new one beside it is no checkpoint: the writer was killed between the two. Where there never was one, a
checkpoint is that of the run's newest validation.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, insert, select, update

from keepbest.checkpoint.upkeep import retention as ranking
from keepbest.contract.artifacts import Artifact
from keepbest.contract.base import MAX_WHOLE, CheckpointKind
from keepbest.contract.checkpoints import CheckpointState
from keepbest.contract.policies import RetentionSpec
from keepbest.stopping import find_mode
from tracker.models import ArtifactTable, CheckpointFileTable, ReportedRunTable
from tracker.store import aliases
from tracker.store.runs import RunRow

#: Bytes of a file that says what a checkpoint's values are.
MAX_METRICS = 2**16
_FILE = re.compile(r"checkpoints/(?:[^/]+/)*[^/]+\.(?:h5|keras|ckpt|pt|pth|safetensors)")
_PAIR = re.compile(r"(.*checkpoint)(?:\.weights)?\.[^./]+")
_DURABLE, _DROPPED = CheckpointState.DURABLE.value, CheckpointState.DROPPED.value


@dataclass(frozen=True, slots=True)
class MetricsFile:
    """What the file beside a checkpoint says; `pk` is the internal number of that version of it."""

    pk: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Version:
    """A version of a file as retention reads it."""

    id: str
    step: int
    value: float | None
    at: datetime
    n: int | None = None
    kind: CheckpointKind = "best"


def is_checkpoint(path: str) -> bool:
    """Return whether a file at this path is a checkpoint, by its name.

    Example:
        >>> is_checkpoint("checkpoints/latest_checkpoint.h5"), is_checkpoint("model/data.h5")
        (True, False)
    """
    return _FILE.fullmatch(path) is not None


def metrics_of(path: str) -> str | None:
    """Return the path of the file beside a checkpoint that says its values; None where its name has none.

    Example:
        >>> metrics_of("checkpoints/epoch_3/checkpoint.weights.h5")
        'checkpoints/epoch_3/checkpoint_metrics.json'
    """
    match = _PAIR.fullmatch(path)
    return None if match is None else f"{match[1]}_metrics.json"


def read_metrics(pk: int, data: bytes) -> MetricsFile | None:
    """Return what the file beside a checkpoint says; None for one that is no JSON object."""
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return MetricsFile(pk, values) if isinstance(values, dict) else None


def find_pk(conn: Connection, artifact: str) -> int:
    """Return the internal number of an artifact."""
    return conn.execute(select(ArtifactTable.pk).where(ArtifactTable.id == artifact)).scalar_one()


def keep(conn: Connection, run: RunRow, artifact: Artifact, metrics_file: MetricsFile | None, *, versions: int) -> None:
    """Tie a new version of a checkpoint to its validation, and drop the versions that retention does not keep.

    Without a single value only the newest `versions` stay, as those of any file. The newest version and those with an
    alias always stay.
    """
    place = _read_place(conn, run, metrics_file)
    if place is not None and (metrics_file is None or not _is_used(conn, metrics_file.pk)):
        step, value = place
        row = {
            "artifact_pk": find_pk(conn, artifact.id),
            "metrics_pk": metrics_file and metrics_file.pk,
            "step": step,
            "value": value,
        }
        conn.execute(insert(CheckpointFileTable).values(**row))
    _trim(conn, run, artifact, versions)


def _read_place(conn: Connection, run: RunRow, metrics_file: MetricsFile | None) -> tuple[int, float | None] | None:
    """Return step and value of a checkpoint's validation; None where nobody says them."""
    if metrics_file is None:
        return None if run.last_validation_step is None else (run.last_validation_step, run.last_value)
    step = next((metrics_file.values[name] for name in ("epoch", "global_step") if name in metrics_file.values), None)
    if type(step) is not int or not 0 <= step <= MAX_WHOLE:
        return None
    value = metrics_file.values.get(_find_monitor(conn, run))
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
    return step, float(value) if is_number and math.isfinite(value) else None  # type: ignore[arg-type]


def _find_monitor(conn: Connection, run: RunRow) -> str:
    table = ReportedRunTable
    row = conn.execute(select(table.monitor, table.wanted).where(table.run_pk == run.pk)).first()
    named = None if row is None else row.monitor or row.wanted
    return str(named or run.spec["monitor"])


def _is_used(conn: Connection, metrics_pk: int) -> bool:
    query = select(CheckpointFileTable.artifact_pk).where(CheckpointFileTable.metrics_pk == metrics_pk).limit(1)
    return conn.execute(query).first() is not None


def _trim(conn: Connection, run: RunRow, artifact: Artifact, versions: int) -> None:
    columns = (ArtifactTable.id, ArtifactTable.version, ArtifactTable.at, aliases.ARTIFACT_IS_NAMED.label("is_named"))
    query = select(*columns, CheckpointFileTable.step, CheckpointFileTable.value).outerjoin(
        CheckpointFileTable, CheckpointFileTable.artifact_pk == ArtifactTable.pk
    )
    here = (ArtifactTable.run_pk == run.pk, ArtifactTable.path == artifact.path, ArtifactTable.state == _DURABLE)
    rows = conn.execute(query.where(*here).order_by(ArtifactTable.version)).all()
    tied = [
        _Version(row.id, row.step, row.value, row.at + timedelta(microseconds=row.version))  # of one moment by number
        for row in rows
        if row.step is not None
    ]
    stay = {artifact.id, *(row.id for row in rows if row.is_named)}
    if tied:
        spec, mode = RetentionSpec.model_validate(run.spec["retention"]), _mode_of(run, _find_monitor(conn, run))
        stay |= {verdict.id for verdict in ranking.decide(tied, spec, mode=mode) if verdict.stays}
    else:
        stay |= {row.id for row in rows[-versions:]}
    going = [row.id for row in rows if row.id not in stay]
    conn.execute(update(ArtifactTable).where(ArtifactTable.id.in_(going)).values(state=_DROPPED))


def _mode_of(run: RunRow, monitor: str) -> Literal["min", "max"] | None:
    known = run.mode if run.mode in ("min", "max") else find_mode(monitor)
    return known
