"""`keepbest compare`: runs side by side, against the real tracker."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.client.transport import Transport
from keepbest.contract.base import new_id
from keepbest.contract.runs import RecipeSource, RunRequest
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import FakeWorker, Live, now

pytestmark = pytest.mark.usefixtures("signed_in")


def train(live: Live, worker: FakeWorker, name: str, seed: int, values: list[float], python: str) -> str:
    with live.client() as client:
        run = client.submit(RunRequest(source=RecipeSource(name="hvass-cnn"), name=name, seed=seed)).id
    worker.writer, worker.numbers = new_id(), count(1)
    worker.claim()
    steps = list(range(100, 100 * len(values) + 1, 100))
    column = {"segment": 0, "key": "val_accuracy", "steps": steps, "values": values, "times": [1.0] * len(values)}
    loss = {**column, "key": "loss", "values": [1 - value for value in values]}
    worker.say(columns=[column, loss], progress={"at": now(), "environment": {"python": python, "keras": "3.12.0"}})
    for step, value in zip(steps, values, strict=True):
        worker.report_validation(step, value, improved=True, best_step=step, best_value=value)
    worker.finish(stop_reason="patience", stop_message="no better for 100 steps")
    return run


def test_what_differs_is_shown_first(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    runs = [
        train(live, worker, "first", 1, [0.5, 0.75], "3.11.9"),
        train(live, worker, "second", 2, [0.5, 0.8125], "3.12.4"),
    ]
    lines = [" ".join(line.split()) for line in keepbest("compare", *runs).out.splitlines()]
    assert any(line.startswith(f"{runs[1]} 2 second finished no better for 100 steps 0.8125 @ 200") for line in lines)
    assert lines[lines.index("parameters first #1 second #2") + 1] == "(seed) 1 2"
    assert lines[lines.index("best first #1 second #2") + 1] == "val_accuracy 0.75 0.8125 (+0.0625) *"
    assert "loss 0.25 0.1875 (-0.0625) *" in lines
    assert lines[lines.index("environment first #1 second #2") + 1] == "python 3.11.9 3.12.4"
    assert "environment: 1 the same; --all shows them" in lines
    assert "keras 3.12.0 3.12.0" in [
        " ".join(line.split()) for line in keepbest("compare", *runs, "--all").out.splitlines()
    ]


def test_a_comparison_as_json_has_every_value(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    runs = [train(live, worker, "first", 1, [0.5], "3.11.9"), train(live, worker, "second", 2, [0.25], "3.11.9")]
    compared = keepbest("compare", *runs, "--json").json
    assert [run["id"] for run in compared["runs"]] == runs
    assert compared["best"]["val_accuracy"] == [0.5, 0.25]
    assert compared["parameters"]["(seed)"] == [1, 2]
    assert compared["environment"]["python"] == ["3.11.9", "3.11.9"]


def test_a_comparison_of_full_ids_is_a_single_request(
    keepbest: Keepbest, live: Live, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [train(live, worker, "first", 1, [0.5], "3.11.9"), train(live, worker, "second", 2, [0.25], "3.11.9")]
    sent: list[str] = []
    request = Transport.request

    def count_request(transport: Transport, method: str, path: str, **given: Any) -> Any:
        sent.append(path)
        return request(transport, method, path, **given)

    monkeypatch.setattr(Transport, "request", count_request)
    assert keepbest("compare", *runs).status == Exit.OK
    assert sent == ["/comparisons"]
    refused = keepbest("compare", runs[0], "0" * 12)
    assert (refused.status, refused.err.splitlines()[0]) == (Exit.NOT_FOUND, f"error: There is no run {'0' * 12}.")


def test_one_run_is_no_comparison(keepbest: Keepbest) -> None:
    assert keepbest("compare", "abcd", "abcd").status == Exit.USAGE
