"""A server that speaks MLflow's interface is read page by page; one that does not is refused in plain words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from keepbest.errors import InvalidInput, KeepbestError, NotAuthenticated, NotFound, Unreachable
from keepbest.foreign.foreign_run import ForeignFile, Points
from keepbest.foreign.mlflow.server import Server
from tests.support.tiny_server import Answer, TinyServer


def said(body: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(body).encode())


EXPERIMENTS = said({"experiments": [{"experiment_id": "1", "name": "vision"}]})


def a_run(**info: Any) -> dict[str, Any]:
    about = {"run_id": "r1", "run_name": "first", "status": "FINISHED", "start_time": "1700000000000", **info}
    data = {"metrics": [{"key": "loss", "value": 1.0}], "params": [{"key": "lr", "value": "0.1"}]}
    return {"info": about, "data": data}


def test_histories_come_page_by_page() -> None:
    pages = [
        said({"metrics": [{"key": "loss", "value": value, "timestamp": 1000, "step": 0}], "next_page_token": token})
        for value, token in ((1.0, "two"), ("NaN", None))
    ]
    answers = [EXPERIMENTS, said({"runs": [a_run()]}), *pages, said({"files": [{"path": "a.txt", "file_size": 3}]})]
    with TinyServer(*answers).running() as tiny:
        (run,) = Server(tiny.url, "secret").runs()
        parts = list(run.parts())
    assert (run.source, run.project, run.parameters) == ("r1", "vision", {"lr": "0.1"})
    assert [len(part) for part in parts if isinstance(part, Points)] == [1, 1]
    assert [part.path for part in parts if isinstance(part, ForeignFile)] == ["a.txt"]
    assert {asked.headers["Authorization"] for asked in tiny.asked} == {"Bearer secret"}
    assert "page_token=two" in tiny.asked[3].path


def test_a_file_is_read_as_it_comes() -> None:
    with TinyServer(Answer(200, b"hello"), Answer(404, b"")).running() as tiny:
        server = Server(tiny.url)
        with server.open_file("r1", "mlflow-artifacts:/1/r1/artifacts", "a b.txt") as file:
            assert (file.read(2), file.read()) == (b"he", b"llo")
        with pytest.raises(NotFound, match="404"):
            server.open_file("r1", "s3://bucket/x", "a.txt")
    assert [asked.path for asked in tiny.asked] == [
        "/api/2.0/mlflow-artifacts/artifacts/1/r1/artifacts/a%20b.txt", "/get-artifact?run_id=r1&path=a.txt"
    ]  # fmt: skip


def test_deleted_runs_are_said() -> None:
    with TinyServer(EXPERIMENTS, said({"runs": [a_run(lifecycle_stage="deleted")]})).running() as tiny:
        server = Server(tiny.url)
        assert list(server.runs()) == []
        assert "the run r1: it was deleted in MLflow" in server.left_out()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (said({}, 401), NotAuthenticated),
        (said({"error_code": "X", "message": "no"}, 500), KeepbestError),
        (Answer(200, b"<html>"), InvalidInput),
        (Answer(200, b"[]"), InvalidInput),
        (Answer(302, b"", {"Location": "http://elsewhere"}), InvalidInput),
    ],
)
def test_another_server_is_refused(answer: Answer, error: type[KeepbestError]) -> None:
    with TinyServer(answer).running() as tiny, pytest.raises(error):
        list(Server(tiny.url).runs())


def test_odd_answers_are_no_runs() -> None:
    odd = {"runs": [7, None, {"info": 3, "data": []}, a_run(start_time="x", status=9)]}
    with TinyServer(EXPERIMENTS, said(odd)).running() as tiny:
        states = [run.state.value for run in Server(tiny.url).runs()]
    assert states == ["cancelled", "cancelled"]


def test_nobody_there_is_unreachable() -> None:
    with pytest.raises(Unreachable):
        list(Server("http://127.0.0.1:9").runs())


@pytest.mark.parametrize("address", ["ftp://host", "http://", "https://"])
def test_an_address_needs_a_host(address: str) -> None:
    with pytest.raises(InvalidInput):
        Server(address)
