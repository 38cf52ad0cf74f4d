"""Reads the records of runs that a replay needs, in at most seven queries for any number of runs."""

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
from tracker.store.access.users import Principal
from tracker.store.per_example import Place
from tracker.store.search.visibility import visible
from tracker.store.segments import LivingPath, living_path

Rows = list[Row[Any]]
#: Keras' name of the training loss.
TRAINING_LOSS = "loss"
#: The reason why a withdrawn validation counts as not finite.
WITHDRAWN = "it was withdrawn"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run and its record; the record is None while the run's mode is unknown."""

    run: contract.Run
    record: RecordedRun | None


def find_runs(
    conn: Connection,
    references: Sequence[str],
    project: str | None,
    limit: int,
    *,
    principal: Principal | None = None,
) -> list[contract.Run]:
    """Return the runs with these ids, then the project's newest runs with validations, each once, `limit` at most."""
    rows = [runs.get_run(conn, reference) for reference in references]
    if project is not None:
        newest = runs.select_for_list().where(
            models.RunTable.project_pk == projects.get_pk(conn, project),
            visible(principal),
            models.RunTable.validations > 0,
        )
        rows += conn.execute(newest.order_by(models.RunTable.pk.desc()).limit(limit))
    return list({row.pk: runs.show_in_list(row) for row in rows}.values())[:limit]


def read_records(conn: Connection, result: Sequence[contract.Run], policies: Sequence[Policy]) -> list[RunRecord]:
    """Return the records of these runs' living paths, with what the policies need, in the same order.

    Raises TooLarge where policies compare validations example by example and the results take too much memory.
    """
    ids = [run.id for run in result]
    segments = _group(conn, models.SegmentTable, ("number", "parent", "start_step", "opened_at"), ids)
    validations = _group(
        conn, models.ValidationTable, ("segment", "step", "epoch", "value", "n", "metrics", "is_withdrawn", "at"), ids
    )
    checkpoints = _group(conn, models.CheckpointTable, ("segment", "step", "state"), ids)
    stoppers = {run.id: _build_stopper(run, "max") for run in result}
    changing = [id for id, stopper in stoppers.items() if stopper.changes_rate or stopper.pausing]
    decided = (
        _group(conn, models.ValidationTable, ("segment", "step", "decision", "withdraws"), changing) if changing else {}
    )
    pairs = _read_pairs(conn, stoppers, policies)

    def show(run: contract.Run) -> RunRecord:
        decisions = [row for row in decided.get(run.id, []) if not row.withdraws]
        rows = segments[run.id], validations[run.id], checkpoints[run.id], decisions
        return RunRecord(run, _record(run, *rows, pairs.get(run.id, {})))

    return [show(run) for run in result]


def _read_pairs(
    conn: Connection, stoppers: Mapping[str, Policy], policies: Sequence[Policy]
) -> Mapping[str, Mapping[Place, Pairs]]:
    """Read the results of examples for runs where a policy, or a shadow in the run's own stopper, compares them."""
    own = {id: stopper.unshadowed for id, stopper in stoppers.items() if stopper.unshadowed != stopper}
    judges = {id: [*policies, *([own[id]] if id in own else [])] for id in stoppers}
    wanted = [id for id, judging in judges.items() if any(_compares(policy) for policy in judging)]
    alphas = {alpha for policy in (*policies, *own.values()) for alpha in _alphas(policy)}
    return per_example.read_examples(conn, wanted, len(alphas)) if wanted else {}


def _compares(policy: Policy) -> bool:
    return "pairs" in policy.all_needs


def _alphas(policy: Policy) -> set[float]:
    inner = (_alphas(part) for part in policy.parts)
    return ({policy.alpha} if isinstance(policy, PairedNoise) else set[float]()).union(*inner)


def _build_stopper(run: contract.Run, mode: Mode) -> Policy:
    return build(run.spec.stopper.model_dump(), mode)


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
    stopper = _build_stopper(run, mode)
    # A stopper that compares examples required results at each validation. Without such a stopper a script may have
    # recorded results at some validations only: the others count as silent.
    missing = SILENT if pairs and not _compares(stopper) else None
    record = RecordedRun(
        validations=list(_show(living, segments, lambda place: pairs.get(place, missing))),
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
    """Return the steps of an epoch, by the newest validation that has its epoch; None where none has."""
    known = [(row.step, row.epoch) for row in living if row.epoch and row.epoch > 0]
    return max(1, round(known[-1][0] / known[-1][1])) if known else None


def _reductions(decided: Rows) -> Iterator[tuple[int, tuple[float, float]]]:
    """Yield each step at which the run's stopper reduced the learning rate, with the factor and the lowest rate."""
    for row in decided:
        if (factor := row.decision.get("rate_factor")) is not None:
            yield row.step, (factor, row.decision.get("min_rate", 0.0))


def _living(path: LivingPath, rows: Rows) -> Rows:
    return sorted((row for row in rows if not path.is_ghost(row.segment, row.step)), key=lambda row: row.step)


def _show(living: Rows, segments: Rows, find_pairs: Callable[[Place], Pairs | None]) -> Iterator[Validation]:
    """Yield each measured validation once, with the seconds trained so far in its segment and those before."""
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
