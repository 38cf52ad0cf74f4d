"""What MLflow's names mean among keepbest's terms: attributes, metrics, parameters, tags and data sets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from keepbest.contract.base import FIRST_YEAR, ID_LENGTH, LAST_YEAR
from keepbest.query.terms import And, Condition, Field, Not, Operand, Operator, Or, Term, any_of
from keepbest.status import RunState

#: The status that MLflow gives a run in each state.
STATUSES: Mapping[RunState, str] = {
    RunState.QUEUED: "SCHEDULED",
    RunState.LEASED: "RUNNING",
    RunState.RUNNING: "RUNNING",
    RunState.PAUSED: "SCHEDULED",
    RunState.FINISHED: "FINISHED",
    RunState.FAILED: "FAILED",
    RunState.CANCELLED: "KILLED",
}
_NUMERIC: tuple[Operator, ...] = ("=", "!=", "<", "<=", ">", ">=")
_TEXTUAL: tuple[Operator, ...] = ("=", "!=", "like", "ilike", "in", "not in")
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: The term that a comparison with values means.
Compare = Callable[[Operator, Sequence[Operand]], Term]


@dataclass(frozen=True, slots=True)
class Attribute:
    """What is compared: the comparisons that it takes, and the term that one of them means."""

    operators: tuple[Operator, ...]
    compare: Compare


def find_kind(kind: str, key: str) -> Attribute:
    """Return what a key of a metric, parameter, tag or data set is."""
    if kind == "metric":
        return Attribute(_NUMERIC, _compare(field_of(kind, key)))
    return Attribute(_TEXTUAL if kind == "dataset" else _TEXTUAL[:4], _compare(field_of(kind, key)))


def field_of(kind: str, key: str) -> Field:
    """Return the field of a key; a metric is what it was last, as in MLflow."""
    if kind == "metric":
        return Field("metric", key, "last")
    if (kind, key) == ("tag", "mlflow.note.content"):
        return Field("column", "notes")
    return Field(kind, key)  # type: ignore[arg-type]


@cache
def make_pattern(pattern: str, *, is_exact: bool) -> re.Pattern[str]:
    """Return what `like` (or `ilike`, where it is not exact) looks for: `%` is any letters, `_` any one."""
    parts = (".*" if letter == "%" else "." if letter == "_" else re.escape(letter) for letter in pattern)
    return re.compile("".join(parts), re.DOTALL | (0 if is_exact else re.IGNORECASE))


def _compare(field: Field) -> Compare:
    """Compare a field that a run may lack: without a value no comparison holds."""

    def compare(operator: Operator, values: Sequence[Operand]) -> Term:
        if operator in ("!=", "not in"):
            return Condition(field, "not in", (None, *values))
        return Condition(field, operator, tuple(values))

    return compare


def _compare_moment(column: str) -> Compare:
    """Compare a moment, given in milliseconds, with one that is kept more finely: equal means in this millisecond."""

    def compare(operator: Operator, values: Sequence[Operand]) -> Term:
        begin = _to_moment(values[0])
        if begin is None:
            return Or(())  # no run was ever then
        field, end = Field("column", column), begin + _MILLISECOND
        after, before = Condition(field, ">=", (begin,)), Condition(field, "<", (end,))
        match operator:
            case "=":
                return And((after, before))
            case "!=":
                return Or((Condition(field, "<", (begin,)), Condition(field, ">=", (end,))))
            case ">":
                return Condition(field, ">=", (end,))
            case "<=":
                return before
        return Condition(field, operator, (begin,))

    return compare


def _to_moment(milliseconds: Operand) -> datetime | None:
    try:
        moment = _EPOCH + timedelta(milliseconds=float(milliseconds))  # type: ignore[arg-type]
    except OverflowError:
        return None
    return moment if FIRST_YEAR < moment.year < LAST_YEAR else None


def _compare_id(operator: Operator, values: Sequence[Operand]) -> Term:
    """Compare whole ids; a filter of keepbest's own takes the beginning of one."""
    whole = tuple(value for value in values if len(str(value)) == ID_LENGTH)
    if operator in ("like", "ilike"):
        return Condition(Field("column", "id"), operator, tuple(values))
    same = Condition(Field("column", "id"), "in", whole) if whole else Or(())
    return Not(same) if operator in ("!=", "not in") else same


def _compare_name(operator: Operator, values: Sequence[Operand]) -> Term:
    """Compare the run's name, and the one that MLflow's client gave it, which may hold what no name of ours does."""
    return _any_of((Field("column", "name"), Field("tag", "mlflow.runName")), operator, values)


def _compare_user(operator: Operator, values: Sequence[Operand]) -> Term:
    return _any_of((Field("tag", "mlflow.user"), Field("column", "user")), operator, values)


def _any_of(fields: Sequence[Field], operator: Operator, values: Sequence[Operand]) -> Term:
    positive: Operator = {"!=": "=", "not in": "in"}.get(operator, operator)  # type: ignore[assignment]
    either = any_of(Condition(field, positive, tuple(values)) for field in fields)
    return either if positive == operator else Not(either)


def _compare_status(operator: Operator, values: Sequence[Operand]) -> Term:
    negative = operator in ("!=", "not in")
    states = [state.value for state, status in STATUSES.items() if _is_one(status, operator, values) != negative]
    return Condition(Field("column", "state"), "in", tuple(states)) if states else Or(())


def _is_one(text: str, operator: Operator, values: Sequence[Operand]) -> bool:
    if operator in ("like", "ilike"):
        return make_pattern(str(values[0]), is_exact=operator == "like").fullmatch(text) is not None
    return text in values


RUN_ATTRIBUTES: Mapping[str, Attribute] = {
    "run_id": Attribute(_TEXTUAL, _compare_id),
    "run_name": Attribute(_TEXTUAL, _compare_name),
    "user_id": Attribute(_TEXTUAL, _compare_user),
    "status": Attribute(_TEXTUAL, _compare_status),
    "start_time": Attribute(_NUMERIC, _compare_moment("started")),
    "end_time": Attribute(_NUMERIC, _compare_moment("ended")),
}
#: The columns by which runs are sorted.
RUN_ORDERS: Mapping[str, str] = {
    "run_id": "id", "run_name": "name", "user_id": "user", "status": "state", "start_time": "started",
    "end_time": "ended",
}  # fmt: skip
#: What experiments are found and sorted by: MLflow's name, and the name of the column.
EXPERIMENT_COLUMNS: Mapping[str, str] = {
    "name": "name", "experiment_id": "id", "creation_time": "created", "last_update_time": "updated",
}  # fmt: skip
EXPERIMENT_ATTRIBUTES: Mapping[str, Attribute] = {
    "name": Attribute(_TEXTUAL, _compare(Field("column", "name"))),
    "experiment_id": Attribute(("=", "!=", "in", "not in"), _compare(Field("column", "id"))),
    "creation_time": Attribute(_NUMERIC, _compare_moment("created")),
    "last_update_time": Attribute(_NUMERIC, _compare_moment("updated")),
}
