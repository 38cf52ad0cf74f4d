"""MLflow's filters and orders, as the terms that they mean; and what no such filter is, in MLflow's words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keepbest.errors import InvalidInput
from keepbest.query.mlflow_grammar import parse, parse_experiment_order, parse_experiments, parse_order
from keepbest.query.terms import And, Condition, Field, Not, Operator, Or, Term

MOMENT = datetime(2026, 11, 30, tzinfo=UTC)
MILLIS = int(MOMENT.timestamp() * 1000)
SOON = MOMENT + timedelta(milliseconds=1)
ACC, LR, TEAM = Field("metric", "acc", "last"), Field("parameter", "lr"), Field("tag", "team")
STARTED, STATE, ID = Field("column", "started"), Field("column", "state"), Field("column", "id")
NAMED, GIVEN = Field("column", "name"), Field("tag", "mlflow.runName")


def is_one(field: Field, operator: Operator, *values: object) -> Term:
    return Condition(field, operator, values)  # type: ignore[arg-type]


MEANINGS: list[tuple[str, Term | None]] = [
    ("", None),
    ("  ", None),
    ("metrics.acc > 0.9", is_one(ACC, ">", 0.9)),
    ("metric.acc<=-1e-3", is_one(ACC, "<=", -0.001)),
    ("metrics.acc != 1", is_one(ACC, "not in", None, 1.0)),
    ("metrics.`val loss/a` = 1", is_one(Field("metric", "val loss/a", "last"), "=", 1.0)),
    ('metrics."a.b".c = 1', is_one(Field("metric", "a.b.c", "last"), "=", 1.0)),
    ("metrics.acc.last = 1", is_one(Field("metric", "acc.last", "last"), "=", 1.0)),
    ("params.lr = '0.1'", is_one(LR, "=", "0.1")),
    ('parameters.lr != "0.1"', is_one(LR, "not in", None, "0.1")),
    ("param.lr LIKE '0.%'", is_one(LR, "like", "0.%")),
    ("tags.team ilike '%VISION_'", is_one(TEAM, "ilike", "%VISION_")),
    ("tag.team IS NULL", is_one(TEAM, "=", None)),
    ("tags.team is not null", is_one(TEAM, "!=", None)),
    ("tags.mlflow.source.name = 'a'", is_one(Field("tag", "mlflow.source.name"), "=", "a")),
    ("tags.team = 'a\\b'", is_one(TEAM, "=", "a\\b")),
    ("datasets.name IN ('a', 'b')", is_one(Field("dataset", "name"), "in", "a", "b")),
    ("dataset.digest NOT IN ('a')", is_one(Field("dataset", "digest"), "not in", None, "a")),
    ("status = 'FINISHED'", is_one(STATE, "in", "finished")),
    ("attributes.status = 'RUNNING'", is_one(STATE, "in", "leased", "running")),
    ("attr.status != 'RUNNING'", is_one(STATE, "in", "queued", "paused", "finished", "failed", "cancelled")),
    ("status LIKE 'F%'", is_one(STATE, "in", "finished", "failed")),
    ("status = 'running'", Or(())),
    ("run_id = 'abcd12345678'", is_one(ID, "in", "abcd12345678")),
    ("run_id = 'abcd'", Or(())),
    ("run_id NOT IN ('abcd12345678', 'x')", Not(is_one(ID, "in", "abcd12345678"))),
    ("run_name = 'x'", Or((is_one(NAMED, "=", "x"), is_one(GIVEN, "=", "x")))),
    ("attributes.`Run name` != 'x'", Not(Or((is_one(NAMED, "=", "x"), is_one(GIVEN, "=", "x"))))),
    ("user_id = 'x'", Or((is_one(Field("tag", "mlflow.user"), "=", "x"), is_one(Field("column", "user"), "=", "x")))),
    (f"start_time >= {MILLIS}", is_one(STARTED, ">=", MOMENT)),
    (f"Created > {MILLIS}", is_one(STARTED, ">=", SOON)),
    (f"start_time = {MILLIS}", And((is_one(STARTED, ">=", MOMENT), is_one(STARTED, "<", SOON)))),
    ("end_time > 1e30", Or(())),
    ("metrics.acc > 0.9 and params.lr = '1'", And((is_one(ACC, ">", 0.9), is_one(LR, "=", "1")))),
    ("tags.team='a' AND params.lr = '1'", And((is_one(TEAM, "=", "a"), is_one(LR, "=", "1")))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "term"), MEANINGS)
def test_a_filter_means_its_term(text: str, term: Term | None) -> None:
    assert parse(text) == term


MISTAKES = [
    ("metrics.acc > 'a'", "Expected numeric value type for metric. Found 'a'"),
    ("params.lr = 0.1", "Expected a quoted string value for parameter"),
    ("tags.team > 'a'", "Invalid comparator '>' not one of"),
    ("metrics.acc LIKE '%'", "Invalid comparator 'LIKE' not one of"),
    ("params.lr IN ('a')", "Invalid comparator 'IN' not one of"),
    ("foo.bar = 'a'", "Invalid entity type 'foo'. Valid values are"),
    ("attributes.bar = 'a'", "Invalid attribute key 'bar' specified. Valid keys are"),
    ("attributes.artifact_uri = 'a'", "Invalid attribute key 'artifact_uri' specified"),
    ("datasets.size = 'a'", "Invalid dataset key 'size' specified"),
    ("metrics.acc > 1 OR metrics.acc < 0", "Invalid clause(s) in filter string: 'OR'"),
    ("(metrics.acc > 1)", "Invalid clause(s) in filter string: '('"),
    ("NOT metrics.acc > 1", "Invalid clause(s) in filter string: 'NOT'"),
    ("metrics.acc", "Expected comparison found the end"),
    ("metrics.acc > 1 and", "Invalid clause(s) in filter string: ''"),
    ("metrics.acc == 1", "Expected comparison found '=='"),
    ("metrics.acc IS NULL", "IS NULL / IS NOT NULL is only supported for tags and params"),
    ("tags.team IS 'a'", "Invalid comparison clause"),
    ("metrics. > 1", "A name is missing behind the dot"),
    ("start_time = 'a'", "Expected numeric value type for numeric attribute: start_time"),
    ("run_id IN ('a'", "A comma or ) was expected"),
    ("run_id IN 'a'", "A list in parentheses was expected"),
    ("tags.team = 'a", "The quote ' is not closed"),
    (f"tags.team LIKE '{'%a' * 11}'", "A pattern has at most 10 %"),
    (" and ".join(["metrics.a > 1"] * 501), "at most 500 comparisons"),
    ("x" * 20_001, "at most 20,000 characters"),
    ("tags.a = '\0'", "no NUL"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_what_is_no_filter_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text)
    assert message in caught.value.message


ORDERS = [
    ("metrics.acc DESC", (ACC, "desc")),
    ("metrics.`acc`", (ACC, "asc")),
    ("params.lr asc", (LR, "asc")),
    ("attributes.start_time DESC", (STARTED, "desc")),
    ("Created DESC", (STARTED, "desc")),
    ("tags.team", (TEAM, "asc")),
]


@pytest.mark.parametrize(("text", "order"), ORDERS)
def test_an_order_is_a_field_and_a_direction(text: str, order: tuple[Field, str]) -> None:
    assert parse_order(text) == order


NO_ORDERS = ["", "metrics.acc DESC ASC", "metrics.acc downwards", "datasets.name", "attributes.x", "a.b", "'acc'"]


@pytest.mark.parametrize("text", NO_ORDERS)
def test_what_is_no_order_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_order(text)


def test_experiments_have_a_language_of_their_own() -> None:
    name = Field("column", "name")
    assert parse_experiments("name LIKE 'a%'") == is_one(name, "like", "a%")
    assert parse_experiments("tags.team = 'a' and attribute.name != 'b'") == And(
        (is_one(TEAM, "=", "a"), is_one(name, "not in", None, "b"))
    )
    assert parse_experiment_order("creation_time DESC") == ("created", "desc")
    for text in ("metrics.acc > 1", "status = 'a'"):
        with pytest.raises(InvalidInput):
            parse_experiments(text)
    with pytest.raises(InvalidInput):
        parse_experiment_order("tags.team")
