"""Replays: what other policies would have done with recorded runs. Reads validations, computes, stores nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from flask import Blueprint

from keepbest.contract.replays import (
    MAX_RUNS,
    LeftOut,
    Replay,
    ReplayedPolicy,
    ReplayedRun,
    ReplayRequest,
    ReplaySummary,
)
from keepbest.contract.runs import Run
from keepbest.errors import InvalidInput, TooLarge
from keepbest.reports.replays import parse_stoppers, replay_policies, show_policies
from keepbest.stopping import build
from keepbest.stopping.comparison import CANDIDATES, Recommendation, recommend
from keepbest.stopping.replay import RecordedRun
from tracker import db
from tracker.api.access import principal
from tracker.api.envelope import route_schema, service
from tracker.store import replay_records
from tracker.store.replay_records import RunRecord

blueprint = Blueprint("replays", __name__)

#: Validations times policies in one request, which take a core some seconds.
MAX_DECISIONS = 200_000


@blueprint.post("/replays")
@route_schema(Replay, body=ReplayRequest, transact=False)
def replay_runs(body: ReplayRequest) -> Replay:
    """Say what other policies would have done with recorded runs, or with the newest of a project; trains nothing."""
    stoppers = body.stoppers or list(CANDIDATES)
    specs = parse_stoppers(stoppers)
    with db.read(service().engine) as conn:
        runs = replay_records.find_runs(conn, body.runs, body.project, MAX_RUNS, principal=principal())
        _check_size(runs, len(specs))
        known = replay_records.read_records(conn, runs, [build(spec, "max") for spec in specs])
    kept, left_out = _comparable(known)
    table = replay_policies(specs, [record for _, record in kept])
    advice = recommend(stoppers, table if kept else [], body.tolerate)
    return _answer(kept, left_out, show_policies(stoppers, specs, table), advice)


def _check_size(runs: Sequence[Run], policies: int) -> None:
    if not runs:
        raise InvalidInput("There is no run to replay.", field="runs", hint="Name runs, or a project that has some.")
    decisions = policies * sum(run.validations for run in runs)
    if decisions > MAX_DECISIONS:
        raise TooLarge(
            f"{policies} policies over the validations of {len(runs)} runs are {decisions:,} decisions; "
            f"{MAX_DECISIONS:,} at most.",
            field="runs",
            hint="Name fewer runs or fewer policies.",
        )


def _comparable(known: Sequence[RunRecord]) -> tuple[list[tuple[Run, RecordedRun]], list[LeftOut]]:
    """Return the runs with the most common metric and mode, and those left out."""
    measured = [
        (run_record.run, run_record.record)
        for run_record in known
        if run_record.record is not None and run_record.record.measured
    ]
    common = Counter(_metric(run) for run, _ in measured).most_common(1)
    kept = [(run, record) for run, record in measured if _metric(run) == common[0][0]]
    taken = {run.id for run, _ in kept}
    recorded = {run.id for run, _ in measured}
    left_out = [
        LeftOut(
            id=run.id,
            name=run.name,
            message=f"The run watches {_metric(run)}." if run.id in recorded else "No validations.",
        )
        for run in (run_record.run for run_record in known)
        if run.id not in taken
    ]
    return kept, left_out


def _metric(run: Run) -> str:
    return f"{run.spec.monitor} ({run.mode.value})"


def _answer(
    kept: Sequence[tuple[Run, RecordedRun]],
    left_out: list[LeftOut],
    policies: list[ReplayedPolicy],
    advice: Recommendation,
) -> Replay:
    first = kept[0][0] if kept else None
    return Replay(
        monitor=first.spec.monitor if first else None,
        mode=first.mode if first else None,
        runs=[_show_run(run, record) for run, record in kept],
        policies=policies,
        left_out=left_out,
        recommended=advice.place,
        message=advice.message,
        held_out=ReplaySummary(**asdict(advice.held_out)) if advice.held_out else None,
    )


def _show_run(run: Run, record: RecordedRun) -> ReplayedRun:
    best = record.best
    return ReplayedRun(
        id=run.id,
        project=run.project,
        number=run.number,
        name=run.name,
        validations=len(record.measured),
        end_step=record.end,
        own_stop=record.own_stop,
        best_step=best.step if best else None,
        best_value=best.value if best else None,
    )
