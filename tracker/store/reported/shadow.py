"""A stopper in the shadow: what a script reports of its monitor is judged, though nobody here can stop the script.

The monitor is the metric that the tag `keepbest.monitor` or the parameters of an EarlyStopping name, else the first one
whose name begins with `val_`. Each value of it is a validation. Its step is the one that was reported, or the one
behind the validation before where the reported steps do not go on; of a run that was set to running again, an earlier
step opens a segment.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from pydantic import ValidationError
from sqlalchemy import Connection, select, update

from keepbest.contract.base import new_id
from keepbest.contract.batches import Batch, ReportedValidation, SegmentOpened
from keepbest.contract.policies import PolicySpec, StopperDecision
from keepbest.contract.runs import Mode
from keepbest.errors import KeepbestError
from keepbest.stopping import DEFAULT_STOPPER, Policy, State, Validation, build, find_mode, parse
from tracker.models import ReportedRunTable, RunTable, SegmentTable
from tracker.store import events, rules, run_spec, run_summary, runs, segments, validations
from tracker.store.leases import LeaseValidity
from tracker.store.metrics.metrics import Column
from tracker.store.reported import keyed_tags
from tracker.store.runs import RunRow
from tracker.store.search import entries

#: Metrics that one validation shows beside its value.
MAX_BESIDE = 200


class Point(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def value(self) -> float: ...
    @property
    def step(self) -> int: ...
    @property
    def time(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Judged:
    """A run whose monitor is known, with the stopper and its state after the newest validation.

    `last` is the newest value: its milliseconds, step and value. `before` is the step of the newest validation of the
    run's segment.
    """

    run: RunRow
    monitor: str
    policy: Policy
    state: State
    last: Sequence[Any] | None
    before: int | None


def choose_key(run: RunRow, keys: Mapping[str, Any]) -> str | None:
    """Return which of these metrics is the monitor of the run; None where none of them is."""
    wanted = run.judged_key or run.wanted
    if wanted is not None:
        return wanted if wanted in keys else None
    if "val_loss" in keys:
        return "val_loss"
    return next((key for key in keys if key.startswith("val_") and find_mode(key)), None)


def prepare(conn: Connection, run: RunRow, monitor: str, step: int, now: datetime) -> Judged | None:
    """Return what judges the monitor's next values; the first settles what the run watches, how, and by which stopper.

    None where nobody says which way the metric gets better: its values are points and nothing else.
    """
    if run.judged_key is None and not _settle(conn, run, monitor, now):
        return None
    table = ReportedRunTable
    own = conn.execute(select(table.stopper_state, table.judged, table.is_resumed).where(table.run_pk == run.pk)).one()
    before = run.last_validation_step
    is_back = own.is_resumed and before is not None and step <= before
    if own.is_resumed:
        conn.execute(update(table).where(table.run_pk == run.pk).values(is_resumed=False))
    if is_back:
        _open_segment(conn, run, step, now)
        before = None
    row = runs.get_by_pk(conn, run.pk)
    policy = build(row.spec["stopper"], row.mode)
    state = own.stopper_state or policy.start()
    state = policy.restart_patience(state, step) if is_back else state
    return Judged(row, monitor, policy, state, own.judged, before)


def judge(conn: Connection, judged: Judged, points: Sequence[Point], columns: Sequence[Column], now: datetime) -> None:
    """Make a validation of each value of the monitor, with the decision of the stopper in the shadow."""
    run, state, last, before = judged.run, judged.state, judged.last, judged.before
    taken = []
    for point in points:
        place = [round(point.time * 1000), point.step, _plain(point.value)]
        if point.key != judged.monitor or place == last:  # the same value may be sent again
            continue
        step = point.step if before is None else max(point.step, before + 1)
        state, validation = _observe(judged, state, point, step, points)
        taken.append(validation)
        before, last = step, place
    if not taken:
        return
    validations.add_validations(conn, run.pk, taken)
    run_summary.update_run(conn, run, columns, Batch(writer=new_id(), number=1, validations=taken), now)
    own = update(ReportedRunTable).where(ReportedRunTable.run_pk == run.pk)
    conn.execute(own.values(stopper_state=state, judged=last))


def _observe(
    judged: Judged, state: State, point: Point, step: int, points: Sequence[Point]
) -> tuple[State, ReportedValidation]:
    beside = {other.key: other.value for other in points if other.step == point.step and other.key != point.key}
    metrics: dict[str, float | None] = dict(list(beside.items())[:MAX_BESIDE])
    started = judged.run.started_at or judged.run.created_at
    seconds = max(0.0, point.time - started.timestamp())
    measured = Validation(step, point.value, train=metrics.get("loss"), seconds=seconds, metrics=metrics)
    state, decision = judged.policy.observe(state, measured)
    reported = ReportedValidation(
        segment=judged.run.segment or 0,
        step=step,
        value=point.value,
        metrics=metrics,
        decision=StopperDecision.model_validate(decision.to_json()),
        at=datetime.fromtimestamp(point.time, UTC),
    )
    return state, reported


def _open_segment(conn: Connection, run: RunRow, step: int, now: datetime) -> None:
    """Open a segment that leaves the present one before a step, which the script reports anew."""
    number = segments.next_number(conn, run.pk)
    parent = run.segment or 0
    begun = select(SegmentTable.start_step).where(SegmentTable.run_pk == run.pk, SegmentTable.number == parent)
    start = max(conn.execute(begun).scalar_one(), step - 1)
    opened = SegmentOpened(number=number, parent=parent, reason="resume", start_step=start, at=now)
    segments.open_segment(conn, run, opened, LeaseValidity(True, run.attempt, None, None, None, run))


# What is watched


def _settle(conn: Connection, run: RunRow, monitor: str, now: datetime) -> bool:
    """Write into the run's spec what it watches and the stopper that judges it; return whether that is known."""
    tags = keyed_tags.read_tags(conn, [run.pk])[run.pk]
    mode = _read_mode(tags.get(keyed_tags.MODE)) or find_mode(monitor)
    if mode is None:
        return False
    spec = conn.execute(select(RunTable.spec).where(RunTable.pk == run.pk)).scalar_one()
    stopper = _choose_stopper(conn, run, spec["parameters"], tags.get(keyed_tags.STOPPER))
    shadow = run_spec.check_stopper(PolicySpec(name="shadow", policies=[stopper]), Mode(mode))
    settled = {**spec, "monitor": monitor, "mode": mode, "stopper": shadow.model_dump(mode="json")}
    found_by = {name: value for name, value in entries.describe_spec(settled).items() if name in ("monitor", "variant")}
    conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(spec=settled, mode=mode, **found_by))
    conn.execute(update(ReportedRunTable).where(ReportedRunTable.run_pk == run.pk).values(monitor=monitor))
    events.append(conn, "run.progress", run, {"spec": settled, "mode": mode}, now)
    return True


def _read_mode(text: str | None) -> Literal["min", "max"] | None:
    return text if text in ("min", "max") else None  # type: ignore[return-value]


def _choose_stopper(conn: Connection, run: RunRow, parameters: Mapping[str, Any], text: str | None) -> PolicySpec:
    """Return the stopper that the script names, or that of its EarlyStopping, or its project's, or the usual one."""
    named = _read_stopper(text)
    if named is not None:
        return named
    if run.wanted is not None and parameters.get("monitor") == run.wanted and "patience" in parameters:
        keras = _read_early_stopping(parameters)
        if keras is not None:
            return keras
    own = rules.find_stopper(conn, run.project)
    return own if own is not None and _needs_nothing_more(own) else PolicySpec.model_validate(parse(DEFAULT_STOPPER))


def _read_stopper(text: str | None) -> PolicySpec | None:
    """Return the stopper that a tag holds; None where it is none, since no script may fail for it."""
    try:
        spec = None if text is None else PolicySpec.model_validate(parse(text))
        return spec if spec is not None and _needs_nothing_more(spec) else None
    except (KeepbestError, ValidationError):
        return None


def _read_early_stopping(parameters: Mapping[str, Any]) -> PolicySpec | None:
    """Return Keras' EarlyStopping as a policy; at a patience of 0 it stops as with 1."""
    try:
        params: dict[str, Any] = {"checks": max(1, int(parameters["patience"]))}
        params["min_delta"] = abs(float(parameters.get("min_delta") or 0))
        if (baseline := parameters.get("baseline")) not in (None, "None"):
            params["baseline"] = float(baseline)
        spec = PolicySpec(name="patience", params=params)
        return spec if _needs_nothing_more(spec) else None
    except (KeepbestError, ValueError):
        return None


def _needs_nothing_more(spec: PolicySpec) -> bool:
    """Whether the policy judges a run by its values alone, which are all that a report holds."""
    policy = build(spec.model_dump(), "max")
    return not policy.all_needs and not policy.all_metrics and not policy.pausing


def _plain(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
