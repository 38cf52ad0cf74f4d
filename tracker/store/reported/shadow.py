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
from keepbest.stopping import DEFAULT_STOPPER, Policy, State, Validation, build, choose_monitor, find_mode, parse
from tracker.models import ReportedRunTable, RunTable
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

    `fresh` holds the values that were not judged yet. `before` is the step of the newest validation of the run's
    segment.
    """

    run: RunRow
    policy: Policy
    state: State
    fresh: Sequence[Point]
    before: int | None


def choose_key(run: RunRow, keys: Mapping[str, Any]) -> str | None:
    """Return which of these metrics is the monitor of the run; None where none of them is."""
    wanted = run.judged_key or run.wanted
    if wanted is not None:
        return wanted if wanted in keys else None
    return choose_monitor(keys)


def prepare(conn: Connection, run: RunRow, points: Sequence[Point], now: datetime) -> Judged | None:
    """Return what judges the monitor's values among these points; the first settles what the run watches, and how.

    None where no value of the monitor is among them that was not judged yet, or where nobody says which way it gets
    better: its values are points and nothing else.
    """
    monitor = choose_key(run, {point.key: None for point in points})
    if monitor is None or (run.judged_key is None and not settle(conn, run, monitor, now)):
        return None
    table = ReportedRunTable
    own = conn.execute(select(table.stopper_state, table.judged, table.is_resumed).where(table.run_pk == run.pk)).one()
    fresh = _leave_out_judged([point for point in points if point.key == monitor], own.judged)
    if not fresh:
        return None
    step, before = fresh[0].step, run.last_validation_step
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
    return Judged(row, policy, state, fresh, before)


def judge(conn: Connection, judged: Judged, points: Sequence[Point], columns: Sequence[Column], now: datetime) -> None:
    """Make a validation of each value that was not judged yet, with the decision of the stopper in the shadow."""
    run, state, before = judged.run, judged.state, judged.before
    taken = []
    for point in judged.fresh:
        step = point.step if before is None else max(point.step, before + 1)
        beside = {other.key: other.value for other in points if other.step == point.step and other.key != point.key}
        state, validation = observe(judged, state, point, step, beside)
        taken.append(validation)
        before = step
    validations.add_validations(conn, run.pk, taken)
    run_summary.update_run(conn, run, columns, Batch(writer=new_id(), number=1, validations=taken), now)
    own = update(ReportedRunTable).where(ReportedRunTable.run_pk == run.pk)
    conn.execute(own.values(stopper_state=state, judged=place_of(judged.fresh[-1])))


def _leave_out_judged(points: Sequence[Point], last: Sequence[Any] | None) -> list[Point]:
    """Return the points behind the one that was judged last, each once: a client sends a whole batch again."""
    places = [place_of(point) for point in points]
    begin = next((number + 1 for number in reversed(range(len(places))) if places[number] == last), 0)
    return [
        point
        for number, point in enumerate(points)
        if number >= begin and (number == 0 or places[number] != places[number - 1])
    ]


def place_of(point: Point) -> list[Any]:
    """Return what tells a value from every other of its metric: its milliseconds, step and value."""
    value = point.value if math.isfinite(point.value) else str(point.value)
    return [round(point.time * 1000), point.step, value]


def observe(
    judged: Judged, state: State, point: Point, step: int, beside: Mapping[str, float], segment: int | None = None
) -> tuple[State, ReportedValidation]:
    """Judge one value of the monitor; return the stopper's next state and the validation with its decision.

    `beside` are the values of the other metrics at the same step; `segment` is the run's newest unless it is given.
    """
    metrics: dict[str, float | None] = dict(list(beside.items())[:MAX_BESIDE])
    started = judged.run.started_at or judged.run.created_at
    seconds = max(0.0, point.time - started.timestamp())
    measured = Validation(step, point.value, train=metrics.get("loss"), seconds=seconds, metrics=metrics)
    state, decision = judged.policy.observe(state, measured)
    reported = ReportedValidation(
        segment=(judged.run.segment or 0) if segment is None else segment,
        step=step,
        value=point.value,
        metrics=metrics,
        decision=StopperDecision.model_validate(decision.to_json()),
        at=datetime.fromtimestamp(point.time, UTC),
    )
    return state, reported


def _open_segment(conn: Connection, run: RunRow, step: int, now: datetime) -> None:
    """Open a segment that leaves the present path before a step, which the script reports anew."""
    known = {segment.number: segment for segment in segments.list_segments(conn, run.pk)}
    left = known.get(run.segment or 0)
    while left is not None and left.start_step >= step:  # all of that stretch is reported anew
        left = None if left.parent is None else known[left.parent]
    parent, start = (None, 0) if left is None else (left.number, step - 1)
    number = segments.next_number(conn, run.pk)
    opened = SegmentOpened(number=number, parent=parent, reason="resume", start_step=start, at=now)
    segments.open_segment(conn, run, opened, LeaseValidity(True, run.attempt, None, None, None, run))


# What is watched


def settle(conn: Connection, run: RunRow, monitor: str, now: datetime) -> bool:
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
