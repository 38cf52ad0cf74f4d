"""Records: what a replay needs of runs, read in seven queries at most however many runs there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection, Row, select

from keepbest.contract import runs as contract
from keepbest.contract.checkpoints import CheckpointState
from keepbest.stopping import Mode, PairedNoise, Pairs, Policy, Validation, build
from keepbest.stopping.pairs import SILENT
from keepbest.stopping.replay import RecordedRun, as_taken
from tracker import models
from tracker.store import per_example, projects, runs
from tracker.store.per_example import Place
from tracker.store.segments import LivingPath, living_path

Rows = list[Row[Any]]
#: The training loss under the name that Keras logs it by.
TRAINING_LOSS = "loss"
#: Why a validation counts as not finite that its run took back.
WITHDRAWN = "it was withdrawn"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run and its record; the record is None while it is not known which way its metric gets better."""

    run: contract.Run
    record: RecordedRun | None


def find_runs(conn: Connection, references: Sequence[str], project: str | None, limit: int) -> list[contract.Run]:
    """Return the runs with these ids, then the newest of the project that have validations, each once."""
    rows = [runs.get_run(conn, reference) for reference in references]
    if project is not None:
        newest = runs.select_runs().where(
            models.RunTable.project_pk == projects.get_pk(conn, project),
            models.RunTable.deleted_at.is_(None),
            models.RunTable.validations > 0,
        )
        rows += conn.execute(newest.order_by(models.RunTable.pk.desc()).limit(limit))
    return list({row.pk: runs.show_in_list(row) for row in rows}.values())[:limit]


def read_records(conn: Connection, result: Sequence[contract.Run], policies: Sequence[Policy]) -> list[RunRecord]:
    """Return the living path of each run as a record of what these policies need, in the same order.

    Raises TooLarge where they compare validations example by example, and there is too much of that.
    """
    ids = [run.id for run in result]
    segments = _group(conn, models.SegmentTable, ("number", "parent", "start_step", "opened_at"), ids)
    validations = _group(
        conn, models.ValidationTable, ("segment", "step", "epoch", "value", "n", "metrics", "is_withdrawn", "at"), ids
    )
    checkpoints = _group(conn, models.CheckpointTable, ("segment", "step", "state"), ids)
    changing = [run.id for run in result if _changes_training(_stopper(run, "max"))]
    decided = (
        _group(conn, models.ValidationTable, ("segment", "step", "decision", "withdraws"), changing) if changing else {}
    )
    pairs = _read_pairs(conn, result, policies)

    def show(run: contract.Run) -> RunRecord:
        decisions = [row for row in decided.get(run.id, []) if not row.withdraws]
        rows = segments[run.id], validations[run.id], checkpoints[run.id], decisions
        return RunRecord(run, _record(run, *rows, pairs.get(run.id, {})))

    return [show(run) for run in result]


def _read_pairs(
    conn: Connection, result: Sequence[contract.Run], request: Sequence[Policy]
) -> Mapping[str, Mapping[Place, Pairs]]:
    """Read what the examples did at the validations of those runs where somebody compares them."""
    own = {run.id: stopper.unshadowed for run in result if (stopper := _stopper(run, "max")).unshadowed != stopper}
    judges = {run.id: [*request, *([own[run.id]] if run.id in own else [])] for run in result}
    wanted = [id for id, policies in judges.items() if any(_compares(policy) for policy in policies)]
    alphas = {alpha for policy in (*request, *own.values()) for alpha in _alphas(policy)}
    return per_example.read_examples(conn, wanted, len(alphas)) if wanted else {}


def _compares(policy: Policy) -> bool:
    return "pairs" in policy.all_needs


def _alphas(policy: Policy) -> set[float]:
    inner = (_alphas(part) for part in policy.parts)
    return ({policy.alpha} if isinstance(policy, PairedNoise) else set[float]()).union(*inner)


def _stopper(run: contract.Run, mode: Mode) -> Policy:
    return build(run.spec.stopper.model_dump(), mode)


def _changes_training(stopper: Policy) -> bool:
    return stopper.changes_rate or bool(stopper.pausing)


def _group(conn: Connection, table: Any, columns: Iterable[str], ids: list[str]) -> defaultdict[str, Rows]:
    chosen = (getattr(table, column) for column in columns)
    query = select(models.RunTable.id.label("run"), *chosen).join(models.RunTable, table.run_pk == models.RunTable.pk)
    grouped: defaultdict[str, Rows] = defaultdict(list)
    for row in conn.execute(query.where(models.RunTable.id.in_(ids))):
        grouped[row.run].append(row)
    return grouped


def _record(
    run: contract.Run,
    segments: Rows,
    validations: Rows,
    checkpoints: Rows,
    decided: Rows,
    pairs: Mapping[Place, Pairs],
) -> RecordedRun | None:
    if run.mode is contract.Mode.AUTO:
        return None
    path = living_path(cast(Any, segments))
    living = _living(path, validations)
    durable = CheckpointState.DURABLE.value
    mode = cast(Mode, run.mode.value)
    stopper = _stopper(run, mode)
    # A stopper that asked has an answer with each validation, where it was recorded; a script that nobody asked said
    # nothing at a validation where it recorded none, if it did at others.
    unsaid = SILENT if pairs and not _compares(stopper) else None
    record = RecordedRun(
        validations=list(_show(living, segments, lambda place: pairs.get(place, unsaid))),
        mode=mode,
        end_step=max([run.step or 0, *(row.step for row in living)]),
        budget=run.steps_at_most,
        checkpoints=frozenset(row.step for row in _living(path, checkpoints) if row.state == durable),
        reductions=dict(_reductions(_living(path, decided))),
        rungs={row.step: rung for row in _living(path, decided) if (rung := row.decision.get("rung")) is not None},
        steps_per_epoch=_find_steps_per_epoch(living),
    )
    return as_taken(record, stopper)


def _find_steps_per_epoch(living: Rows) -> int | None:
    """Return how many steps an epoch has, as the newest validation that says its epoch has it."""
    known = [(row.step, row.epoch) for row in living if row.epoch and row.epoch > 0]
    return max(1, round(known[-1][0] / known[-1][1])) if known else None


def _reductions(decided: Rows) -> Iterator[tuple[int, tuple[float, float]]]:
    """Yield the steps at which the run's stopper set the learning rate, and how."""
    for row in decided:
        if (factor := row.decision.get("rate_factor")) is not None:
            yield row.step, (factor, row.decision.get("min_rate", 0.0))


def _living(path: LivingPath, rows: Rows) -> Rows:
    return sorted((row for row in rows if not path.is_ghost(row.segment, row.step)), key=lambda row: row.step)


def _show(living: Rows, segments: Rows, find_pairs: Callable[[Place], Pairs | None]) -> Iterator[Validation]:
    """Yield each measured validation once, with the time trained so far: that of its segment and of those before."""
    opened = {row.number: row.opened_at for row in segments}
    before = seconds = 0.0
    segment, step = None, -1
    for row in living:
        if row.value is None or row.step == step:
            continue
        if row.segment != segment:
            segment, before = row.segment, seconds
        step = row.step
        seconds = max(seconds, before + (row.at - opened[row.segment]).total_seconds())
        loss = row.metrics.get(TRAINING_LOSS)
        pairs = find_pairs((row.segment, step))
        known = {"n": row.n, "train": loss, "seconds": seconds, "metrics": row.metrics, "pairs": pairs}
        yield Validation(step, row.value, **known, fault=WITHDRAWN if row.is_withdrawn else None)
