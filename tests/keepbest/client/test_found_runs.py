"""`keepbest.runs`: pages as they are read, records and tables, against the real tracker."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

import keepbest
from keepbest.client import found_runs
from keepbest.client.client import Client
from keepbest.contract.runs import ExternalSource, RecipeSource, RunPage, RunRequest
from keepbest.errors import InvalidInput, KeepbestError
from tests.support.live import FakeWorker, Live


@pytest.fixture
def client(live: Live) -> Client:
    return live.client()


def submit(client: Client, count: int, **given: Any) -> list[str]:
    requests = (
        RunRequest.model_validate(
            {"source": ExternalSource(), "name": f"run {number}", "parameters": {"width": number}, **given}
        )
        for number in range(count)
    )
    return [client.submit(request).id for request in requests]


def test_pages_are_read_as_they_are_needed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = submit(client, 5)
    monkeypatch.setattr(found_runs, "PAGE", 2)
    found = keepbest.runs("run", client=client)
    assert next(iter(found)).id == ids[-1]
    assert [run.id for run in found] == ids[::-1]
    assert [run.id for run in found] == ids[::-1], "each iteration asks anew"


def test_the_count_is_asked_for_alone(client: Client) -> None:
    submit(client, 3)
    assert len(keepbest.runs(client=client)) == 3
    assert not keepbest.runs("params.width = 7", client=client)
    assert len(list(keepbest.runs("params.width < 2", client=client))) == 2


def test_a_count_that_was_cut_is_no_length(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "runs", lambda **query: RunPage(runs=[], total=10_001, total_is_least=True))
    with pytest.raises(TypeError, match="too many runs to count"):
        len(keepbest.runs(client=client))


def test_a_run_has_what_people_look_for(client: Client) -> None:
    submit(client, 1, tags=["a"], project="digits")
    (run,) = keepbest.runs(project="digits", client=client)
    assert (run.name, run.project, run.state, run.tags) == ("run 0", "digits", "queued", ["a"])
    assert (run.params, run.metrics, run.best, run.notes) == ({"width": 0}, {}, None, "")


def test_a_record_is_flat(client: Client, live: Live) -> None:
    submit(client, 2, project="digits")
    records = keepbest.runs(project="digits", sort="params.width", order="asc", client=client).to_records()
    assert [record["params.width"] for record in records] == [0, 1]
    assert records[0]["state"] == "queued"


def test_a_mistake_is_raised_when_runs_are_read(client: Client) -> None:
    found = keepbest.runs("state = failled", client=client)
    with pytest.raises(InvalidInput, match="There is no state 'failled'"):
        list(found)


def test_a_table_is_made_where_pandas_is(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    submit(client, 1)
    frame = SimpleNamespace(from_records=lambda records: [record["name"] for record in records])
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=frame))
    assert keepbest.runs(client=client).to_pandas() == ["run 0"]


def test_a_missing_pandas_is_said(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(KeepbestError, match="pandas, which is not installed"):
        keepbest.runs(client=client).to_pandas()


def test_metrics_of_a_project_come_with_its_runs(client: Client, worker: FakeWorker) -> None:
    run = client.submit(RunRequest(source=RecipeSource(name="hvass-cnn"), project="digits"))
    worker.claim()
    column = {"segment": 0, "key": "val_loss", "steps": [1, 2], "values": [0.5, 0.75], "times": [1.0, 2.0]}
    worker.say(columns=[column])
    (found,) = keepbest.runs(project="digits", client=client)
    assert (found.id, found.values) == (run.id, {"metrics.val_loss": 0.5})
    assert found.metrics["val_loss"].last_value == 0.75
    (last,) = keepbest.runs("val_loss.last > 0.7", columns=["val_loss.last"], client=client)
    assert last.to_record()["val_loss.last"] == 0.75


@pytest.fixture
def worker(live: Live) -> FakeWorker:
    return live.add_worker()
