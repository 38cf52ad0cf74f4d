"""Finds what two ends of a difference recorded: one run at its best and its last, or two runs at their best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from keepbest.contract.checkpoints import Checkpoint, CheckpointState
from keepbest.contract.panel_differences import DifferenceEnd, PanelDifference, PanelDifferenceQuery
from keepbest.contract.panels import ConfusionData, PanelPlace, PanelSeries, SamplesData
from keepbest.errors import InvalidInput
from keepbest.panels.differences import Recording, compare
from tracker.db import Connection
from tracker.store import checkpoints, panels, runs
from tracker.store.runs import RunRow

#: The names that trainers give to these panels; a script may use another.
_NAMES = {"confusion": "confusion", "samples": "misclassified"}

Data = TypeVar("Data", ConfusionData, SamplesData)


@dataclass(frozen=True)
class GatheredEnd:
    """One end, what was recorded there, and what to say of it."""

    end: DifferenceEnd
    recording: Recording
    notes: list[str]


def gather(conn: Connection, query: PanelDifferenceQuery) -> tuple[GatheredEnd, GatheredEnd]:
    """Return both ends with what they recorded; raises NotFound for an unknown run."""
    first = runs.get_run(conn, query.first)
    second = runs.get_run(conn, query.second) if query.second else first
    second_at = query.second_at or ("last" if second.pk == first.pk else "best")
    return _gather_end(conn, first, query.first_at), _gather_end(conn, second, second_at)


def show(first: GatheredEnd, second: GatheredEnd) -> PanelDifference:
    """Return what changed from the first end to the second; pure."""
    is_same_run = first.end.run == second.end.run
    notes = list(dict.fromkeys([*first.notes, *second.notes]))
    if is_same_run and first.end.step is not None and first.end.step == second.end.step:
        notes.append(f"Both ends are step {first.end.step:,}: nothing was recorded after the best.")
    differences = compare(first.recording, second.recording, is_same_run=is_same_run)
    return PanelDifference(
        first=first.end,
        second=second.end,
        part=first.recording.confusion.part if first.recording.confusion is not None else "",
        confusion=differences.confusion,
        examples=differences.examples,
        classified=differences.classified,
        pictures=differences.pictures,
        notes=[*notes, *differences.notes],
    )


def _gather_end(conn: Connection, run: RunRow, at: str) -> GatheredEnd:
    series = panels.list_panels(conn, run.pk)
    step = run.best_step if at == "best" else None if at == "last" else int(at)
    place = None if step is None and at != "last" else _find_place(_pick(series, "confusion"), step)
    end = DifferenceEnd(run=run.id, name=run.name, number=run.number, at=at, step=place.step if place else None)
    if place is None:
        return GatheredEnd(end, Recording(), [])
    near = _find_checkpoint(checkpoints.list_checkpoints(conn, run), place)
    if near is not None:
        end = end.model_copy(update={"checkpoint": near.id, "checkpoint_step": near.step})
    recording = Recording(
        _read(conn, run.pk, _pick(series, "confusion"), place, ConfusionData),
        _read(conn, run.pk, _pick(series, "samples"), place, SamplesData),
    )
    return GatheredEnd(end, recording, _note_step(run, step, place))


def _pick(series: Sequence[PanelSeries], kind: str) -> PanelSeries | None:
    """Return the panel of this kind: the trainer's own, else the first."""
    fitting = [panel for panel in series if panel.kind == kind]
    return next((panel for panel in fitting if panel.name == _NAMES[kind]), fitting[0] if fitting else None)


def _find_place(series: PanelSeries | None, step: int | None) -> PanelPlace | None:
    """Return the recording of this step on the living path, else the one before it; without a step, the last."""
    places = [] if series is None else [place for place in series.places if not place.ghost]
    fitting = [place for place in places if step is None or place.step <= step]
    return max(fitting, key=lambda place: (place.step, place.segment), default=None)


def _note_step(run: RunRow, step: int | None, place: PanelPlace) -> list[str]:
    if step is None or place.step == step:
        return []
    return [f"Run #{run.number} recorded nothing at step {step:,}: this is step {place.step:,}."]


def _find_checkpoint(known: Sequence[Checkpoint], place: PanelPlace) -> Checkpoint | None:
    """Return the checkpoint on disk that is nearest to a place."""
    durable = [
        point
        for point in known
        if point.state is CheckpointState.DURABLE and not point.ghost and point.kind != checkpoints.MADE
    ]
    return min(durable, key=lambda point: (abs(point.step - place.step), point.step), default=None)


def _read(
    conn: Connection, run_pk: int, series: PanelSeries | None, place: PanelPlace, kind: type[Data]
) -> Data | None:
    """Return what the panel holds at this place; None where there is none."""
    if series is None or not any((at.step, at.segment) == (place.step, place.segment) for at in series.places):
        return None
    data = panels.get_panel(conn, run_pk, series.name, step=place.step, segment=place.segment).data
    if not isinstance(data, kind):
        raise InvalidInput(f"The panel {series.name!r} changed its kind.", field="name")
    return data
