"""Runs and experiments found by MLflow's filters, in its orders and pages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.mlflow import Mlflow, as_dict
from tracker.store.search import pages

NAMES = ["a", "b", "c", "d"]


@pytest.fixture
def known(mlflow: Mlflow) -> dict[str, str]:
    """Runs that differ in everything that is asked for, by name; the last begun is the last."""
    ids = {}
    for number, name in enumerate(NAMES):
        given = {"experiment_id": "0", "run_name": name, "start_time": 1_000 * (number + 1), "user_id": "ada"}
        run = mlflow.post("/runs/create", **given)["run"]["info"]["run_id"]
        ids[name] = run
        tags = [{"key": "team", "value": ["Vision", "text"][number % 2]}] + (
            [{"key": "odd", "value": "x"}] if number % 2 else []
        )
        params = [{"key": "lr", "value": ["0.1", "0.01", "1e-3", "fast"][number]}]
        mlflow.post("/runs/log-batch", run_id=run, tags=tags, params=params)
        if number < 3:
            mlflow.log(run, "acc", [0.5, 0.9, "NaN"][number], step=number)
        if number == 1:
            dataset = {"name": "digits", "digest": "a1", "source_type": "local", "source": "{}"}
            used = {"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "eval"}]}
            mlflow.post("/runs/log-inputs", run_id=run, datasets=[used])
    mlflow.post("/runs/set-tag", run_id=ids["a"], key="mlflow.note.content", value="my notes")
    mlflow.post("/runs/update", run_id=ids["a"], status="FINISHED", end_time=9_000)
    return ids


FOUND = [
    ("", "dcba"),
    ("metrics.acc > 0.4", "ba"),
    ("metrics.acc != 0.5", "b"),
    ("metrics.acc <= 0.9 and tags.team = 'text'", "b"),
    ("metrics.nothing > 0", ""),
    ("params.lr = '0.1'", "a"),
    ("params.lr != '0.1'", "dcb"),
    ("params.lr LIKE '0.%'", "ba"),
    ("params.lr LIKE '0._'", "a"),
    ("params.lr IS NULL", ""),
    ("tags.team = 'vision'", ""),
    ("tags.team LIKE 'V%n'", "ca"),
    ("tags.team LIKE 'v%n'", ""),
    ("tags.team ILIKE 'v%N'", "ca"),
    ("tags.team LIKE '*'", ""),
    ("tags.odd IS NULL", "ca"),
    ("tags.odd IS NOT NULL", "db"),
    ("tags.odd != 'y'", "db"),
    ("tags.`mlflow.note.content` IS NULL", "dcb"),
    ("tags.mlflow.note.content IS NOT NULL", "a"),
    ("tags.mlflow.note.content != 'other'", "a"),
    ("tags.mlflow.note.content != 'my notes'", ""),
    ("tags.mlflow.note.content LIKE 'my%'", "a"),
    ("attributes.status = 'FINISHED'", "a"),
    ("status != 'FINISHED'", "dcb"),
    ("run_name IN ('a', 'd')", "da"),
    ("run_name LIKE '%b%'", "b"),
    ("user_id = 'ada' and start_time >= 2000 and start_time < 4000", "cb"),
    ("start_time = 2000", "b"),
    ("end_time > 0", "a"),
    ("datasets.name = 'digits'", "b"),
    ("datasets.context LIKE 'ev%' and dataset.digest = 'a1'", "b"),
    ("datasets.name != 'other'", "b"),
]


@pytest.mark.parametrize("is_driven", [True, False])
def test_a_filter_finds_its_runs(
    mlflow: Mlflow, known: dict[str, str], is_driven: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_driven:
        monkeypatch.setattr("tracker.store.search.drive.Driver.find", lambda _self, _term: None)
    for filter, names in FOUND:
        assert mlflow.find(filter) == [known[name] for name in names], filter
    given = f"run_id IN ('{known['a']}', '{known['c']}')"
    assert mlflow.find(given) == [known["c"], known["a"]]


ORDERED = [
    (["metrics.acc DESC"], "badc"),
    (["metrics.acc ASC"], "abdc"),
    (["params.lr"], "cbad"),
    (["attributes.start_time ASC"], "abcd"),
    (["run_name DESC"], "dcba"),
    (["status", "start_time DESC"], "adcb"),
    (["tags.team", "run_name ASC"], "acbd"),
    (["tags.odd DESC", "metrics.acc DESC"], "bdac"),
]


@pytest.mark.parametrize(("order_by", "names"), ORDERED)
def test_an_order_holds_on_every_page(mlflow: Mlflow, known: dict[str, str], order_by: list[str], names: str) -> None:
    assert mlflow.find(order_by=order_by) == [known[name] for name in names]
    seen, token = [], None
    for _ in NAMES:
        given: dict[str, Any] = {"experiment_ids": ["0"], "order_by": order_by, "max_results": 1}
        page = mlflow.post("/runs/search", **given, **({"page_token": token} if token else {}))
        seen += [run["info"]["run_id"] for run in page["runs"]]
        token = page.get("next_page_token")
    assert (seen, token) == ([known[name] for name in names], None)


def test_too_many_runs_for_several_orders_are_refused(
    mlflow: Mlflow, known: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MAX_SORTED", 3)
    given = {"experiment_ids": ["0"], "order_by": ["tags.team", "run_name"]}
    status, _, message = mlflow.fail("POST", "/runs/search", given)
    assert (status, "More than 3 runs match" in message) == (400, True)
    assert len(mlflow.find(order_by=["run_name"])) == len(known)


def test_a_view_shows_deleted_runs_alone_or_too(mlflow: Mlflow, known: dict[str, str]) -> None:
    mlflow.post("/runs/delete", run_id=known["b"])
    assert mlflow.find("metrics.acc > 0") == [known["a"]]
    assert mlflow.find("metrics.acc > 0", run_view_type="DELETED_ONLY") == [known["b"]]
    assert mlflow.find("metrics.acc > 0", run_view_type="ALL") == [known["b"], known["a"]]
    assert mlflow.find("status = 'KILLED'", run_view_type="ALL") == [known["b"]]
    assert mlflow.run(known["b"])["info"]["lifecycle_stage"] == "deleted"
    metric = {"run_id": known["b"], "key": "acc", "value": 1, "timestamp": 1}
    assert "Current state is deleted" in mlflow.fail("POST", "/runs/log-metric", metric)[2]
    mlflow.post("/runs/restore", run_id=known["b"])
    assert mlflow.run(known["b"])["info"]["lifecycle_stage"] == "active"


def test_a_search_looks_into_several_experiments(mlflow: Mlflow, known: dict[str, str]) -> None:
    other = mlflow.post("/experiments/create", name="other")["experiment_id"]
    run = mlflow.begin(other)
    mlflow.log(run, "acc", 0.7)
    wanted = [known["b"], run, known["a"]]
    assert mlflow.find("metrics.acc > 0", (other, "0"), order_by=["metrics.acc DESC"]) == wanted
    assert mlflow.find("metrics.acc > 0", (other,)) == [run]
    assert mlflow.find("", ("999", "nonsense")) == []
    assert mlflow.find("", ()) == []


def test_what_a_search_shows_is_what_the_run_shows(mlflow: Mlflow, known: dict[str, str]) -> None:
    (run,) = mlflow.post("/runs/search", experiment_ids=["0"], filter="run_name = 'b'")["runs"]
    assert run == mlflow.run(known["b"])
    assert as_dict(run["data"]["params"]) == {"lr": "0.01"}


def test_keepbests_own_filters_find_tags_with_keys(mlflow: Mlflow, known: dict[str, str]) -> None:
    for filter, names in (
        ("tags.team = Vision", "ca"),
        ("tag = 'team=Vision'", "ca"),
        ("tags.odd = none", "ca"),
        ("tag ~ ISION", "ca"),
    ):
        found = mlflow.api.get(f"/runs?project=Default&q={filter}")["runs"]
        assert [each["name"] for each in found] == list(names), filter
    shown = mlflow.api.get("/runs?project=Default&columns=tags.team,tags.odd")["runs"]
    assert [each["values"]["tags.team"] for each in shown] == [["text"], ["Vision"], ["text"], ["Vision"]]
    assert [each["values"]["tags.odd"] for each in shown] == [["x"], [], ["x"], []]
