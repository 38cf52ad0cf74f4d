"""What a trainer says: taken once, in order, and only as far as its lease lets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from keepbest.contract.base import iso, new_id
from keepbest.contract.batches import MAX_BATCH_BYTES
from keepbest.status import Role
from tests.support.api import Api
from tests.support.store import CNN
from tests.support.trainer import GO_ON, PACKED, Trainer, pack, start_external
from tracker import db
from tracker.store import leases


@pytest.fixture
def trainer(api: Api) -> Trainer:
    return start_external(api)


def curve(api: Api, run: str, key: str = "loss") -> list[tuple[int, Any]]:
    pieces = api.get(f"/runs/{run}/curve?key={key}")["pieces"]
    return [pair for piece in pieces for pair in zip(piece["steps"], piece["values"], strict=True)]


def test_everything_a_trainer_says_can_be_read_back(api: Api, trainer: Trainer) -> None:
    point = trainer.checkpoint(100, 0.9)
    receipt = trainer.say(
        columns=[{"segment": 0, "key": "loss", "steps": [1, 2], "values": [0.5, None], "times": [1.0, 2.0]}],
        validations=[trainer.report_validation(100, 0.9, n=500, metrics={"val_loss": "NaN"}, checkpoint=point["id"])],
        checkpoints=[point],
        logs=[{"stream": "stdout", "offset": 0, "text": "hello\n", "at": iso(api.now)}],
        progress={"epoch": 1.5, "environment": {"gpu": "none"}, "resume": "exact", "at": iso(api.now)},
    )
    assert receipt == {
        "accepted": True, "last_number": 2, "commands": [],
        "best_step": 100, "best_value": 0.9, "best_checkpoint": point["id"], "resume_checkpoint": point["id"],
    }  # fmt: skip
    run = api.get(f"/runs/{trainer.run}")
    assert (run["state"], run["step"], run["best_value"], run["validations"]) == ("running", 100, 0.9, 1)
    assert (run["best_checkpoint"], run["resume"], run["segment"]) == (point["id"], "exact", 0)
    assert curve(api, trainer.run) == [(1, 0.5), (2, "NaN")]
    (validation,) = api.get(f"/runs/{trainer.run}/validations")["validations"]
    assert (validation["n"], validation["metrics"], validation["ghost"]) == (500, {"val_loss": "NaN"}, False)
    assert api.get(f"/runs/{trainer.run}/logs")["pieces"][0]["text"] == "hello\n"
    (kept,) = api.get(f"/runs/{trainer.run}/checkpoints")["checkpoints"]
    assert (kept["is_best"], kept["state"], kept["run"]) == (True, "durable", trainer.run)


def test_a_number_seen_before_is_acknowledged_and_dropped(api: Api, trainer: Trainer) -> None:
    body = trainer.body(columns=[{"segment": 0, "key": "loss", "steps": [1], "values": [1.0], "times": [1.0]}])
    assert trainer.send(body)["accepted"]
    again = trainer.send(body)
    assert (again["accepted"], again["last_number"]) == (False, 2)
    assert curve(api, trainer.run) == [(1, 1.0)]


def test_a_number_too_far_ahead_names_the_one_that_is_missing(api: Api, trainer: Trainer) -> None:
    trainer.number += 1
    status, error = trainer.refuse(trainer.body())
    assert (status, error["code"], error["field"]) == (409, "batch_gap", "number")
    assert "batch 2" in error["message"]
    trainer.number = 1
    trainer.log("loss", [1], [1.0])


def test_each_writer_counts_for_itself(api: Api, trainer: Trainer) -> None:
    agent = Trainer(api, trainer.run, trainer.lease)
    agent.say(logs=[{"stream": "stderr", "offset": 0, "text": "a", "at": iso(api.now)}])
    trainer.log("loss", [1], [1.0])
    assert (agent.number, trainer.number) == (1, 2)


def test_a_batch_that_fails_leaves_nothing(api: Api, trainer: Trainer) -> None:
    wrong = trainer.segment(0)  # its number is taken, by another segment than this
    body = trainer.body(columns=[{"segment": 0, "key": "loss", "steps": [1], "values": [1.0], "times": [1.0]}])
    assert trainer.refuse({**body, "segments": [{**wrong, "start_step": 7}]})[0] in (409, 422)
    assert curve(api, trainer.run) == []
    assert trainer.send(body)["accepted"]


BINARY_SPECIALS = [0.0, -0.0, 1e-308, float("inf"), float("-inf"), float("nan")]


def test_the_binary_form_says_the_same(api: Api, trainer: Trainer) -> None:
    header = trainer.body(columns=[{"segment": 0, "key": "loss", "count": 6}, {"segment": 0, "key": "acc", "count": 1}])
    body = pack(header, [(range(6), BINARY_SPECIALS, [9.0] * 6), ([7], [0.5], [9.5])])
    assert trainer.send(body, headers=PACKED)["accepted"]
    seen = curve(api, trainer.run)
    assert [value for _, value in seen] == [0.0, -0.0, 1e-308, "Infinity", "-Infinity", "NaN"]
    assert np.signbit(seen[1][1])
    assert curve(api, trainer.run, "acc") == [(7, 0.5)]
    summary = {row["key"]: row for row in api.get(f"/runs/{trainer.run}/metrics")["metrics"]}
    assert (summary["loss"]["count"], summary["loss"]["non_finite"], summary["loss"]["last_value"]) == (6, 3, "NaN")
    assert (summary["loss"]["max_value"], summary["loss"]["max_step"]) == (1e-308, 2)


def test_a_body_that_is_too_large_is_refused(api: Api, trainer: Trainer) -> None:
    status, error = trainer.refuse(b" " * (MAX_BATCH_BYTES + 1))
    assert (status, error["code"]) == (413, "too_large")


@pytest.mark.parametrize("lease", ["", "wrong", "x" * 5000])
def test_a_token_that_never_was_the_runs_is_refused(api: Api, trainer: Trainer, lease: str) -> None:
    status, error = trainer.refuse(trainer.body(), lease=lease)
    assert (status, error["code"]) == (409, "lease_lost")


def test_another_runs_token_is_refused(api: Api, trainer: Trainer) -> None:
    other = start_external(api)
    assert trainer.refuse(trainer.body(), lease=other.lease)[1]["code"] == "lease_lost"


def test_a_viewer_says_nothing(api: Api, trainer: Trainer) -> None:
    assert trainer.refuse(trainer.body(), role=Role.VIEWER)[0] == 403


# Late batches


def end_lease(api: Api, trainer: Trainer) -> None:
    api.post(f"/leases/{trainer.run}/release", {"outcome": "finished"}, lease=trainer.lease)


def test_a_late_batch_is_history_and_nothing_else(api: Api, trainer: Trainer) -> None:
    trainer.say(validations=[trainer.report_validation(100, 0.5)])
    before = iso(api.now)
    ended = api.now.timestamp()
    end_lease(api, trainer)
    run = api.get(f"/runs/{trainer.run}")
    api.wait(60)
    late = {"segment": 0, "key": "loss", "steps": [7, 8], "values": [0.1, 0.2], "times": [ended, ended + 1]}
    validations = [trainer.report_validation(200, 0.99, at=before), trainer.report_validation(300, 0.999)]
    points = [trainer.checkpoint(200, 0.99, at=before), trainer.checkpoint(300, 0.999)]
    receipt = trainer.say(
        columns=[late], validations=validations, checkpoints=points, progress={"step": 900, "at": before}
    )
    assert (receipt["accepted"], receipt["commands"], receipt["best_value"]) == (True, [], None)
    assert curve(api, trainer.run) == [(7, 0.1)]
    assert [validation["step"] for validation in api.get(f"/runs/{trainer.run}/validations")["validations"]] == [
        100,
        200,
    ]
    assert [point["step"] for point in api.get(f"/runs/{trainer.run}/checkpoints")["checkpoints"]] == [200]
    assert api.get(f"/runs/{trainer.run}") == run


def test_a_run_may_branch_in_its_very_first_batch(api: Api) -> None:
    """409, "Run … has just changed its state": nothing more was sent of a script that went back at once."""
    trainer = start_external(api, begin=False)
    trainer.say(segments=[trainer.segment(0), trainer.segment(1, parent=0, start_step=0)])
    run = api.get(f"/runs/{trainer.run}")
    assert (run["state"], run["segment"]) == ("running", 1)


def test_a_late_batch_leaves_the_next_trainers_segments_alone(api: Api) -> None:
    first, take_over = start_on_worker(api)
    run, measured = first.run, api.now.timestamp() + 1
    second = take_over()
    second.open()
    assert first.say(segments=[first.segment(0)], columns=one_point(0, measured))["accepted"]
    assert curve(api, run) == []
    second.log("loss", [2], [2.0])
    assert curve(api, run) == [(2, 2.0)]


def test_a_late_checkpoint_is_the_best_once_a_run_resumes_there(api: Api) -> None:
    """best_step: 200 instead of 3000: a killed attempt's last validations came after its lease had ended, the next one
    went on from its last checkpoint and had nothing left to look at."""
    first, take_over = start_on_worker(api)
    first.open()
    before, late, ghost = iso(api.now), first.checkpoint(300, 0.9), first.checkpoint(400, 0.95)
    first.say(validations=[first.report_validation(200, 0.5)], checkpoints=[first.checkpoint(200, 0.5)])
    second = take_over()
    first.say(
        validations=[first.report_validation(step, value, at=before) for step, value in ((300, 0.9), (400, 0.95))]
    )
    first.say(checkpoints=[{**one, "at": before} for one in (late, ghost)])
    assert api.get(f"/runs/{first.run}")["best_step"] == 200
    opened = {**second.segment(1, parent=0, start_step=300), "reason": "resume"}
    second.say(segments=[opened])
    run = api.get(f"/runs/{first.run}")
    assert (run["best_step"], run["best_value"], run["best_checkpoint"]) == (300, 0.9, late["id"])


@pytest.mark.parametrize(("found", "best"), [(None, (100, 0.5)), (0.4, (100, 0.5)), (0.6, (300, 0.6))])
def test_who_lost_the_lease_takes_back_its_own_best_alone(
    api: Api, found: float | None, best: tuple[int, float]
) -> None:
    """Another attempt went on from before that best; what it found itself since stays, where it is better."""
    first, take_over = start_on_worker(api)
    first.open()
    first.say(
        validations=[first.report_validation(100, 0.5), first.report_validation(200, 0.9)],
        checkpoints=[first.checkpoint(100, 0.5)],
    )
    said = {"segment": 0, "step": 200, "value": 0.9, "reason": "it became NaN", "decision": GO_ON, "at": iso(api.now)}
    second = take_over()
    if found is not None:
        second.say(segments=[{**second.segment(1, parent=0, start_step=100), "reason": "resume"}])
        second.say(validations=[second.report_validation(300, found, segment=1)])
    assert first.say(withdrawn=[said])["best_step"] is None
    run = api.get(f"/runs/{first.run}")
    assert (run["best_step"], run["best_value"]) == best
    assert [
        validation["is_withdrawn"] for validation in api.get(f"/runs/{first.run}/validations")["validations"]
    ].count(True) == 1


def test_no_stale_or_doubled_process_replaces_the_best(api: Api) -> None:
    """keras#17012: a restart overwrites the best, 0.90, by the 0.45 of its first epoch. Here by none of its ways."""
    first, take_over = start_on_worker(api)
    first.open()
    best = first.checkpoint(300, 0.9)
    first.say(validations=[first.report_validation(300, 0.9)], checkpoints=[best])
    doubled = Trainer(api, first.run, first.lease)  # a second process under the same lease
    assert say_best(doubled, 100, 0.45) == (300, 0.9, best["id"])
    restarted = take_over()
    restarted.open(1, parent=0)
    assert say_best(restarted, 100, 0.45, segment=1) == (300, 0.9, best["id"])
    api.wait(1)
    say_best(first, 400, 0.95)  # stale: better, but said by one that has lost the run
    assert say_best(restarted, 200, 0.6, segment=1) == (300, 0.9, best["id"])
    assert say_best(restarted, 500, 0.92, segment=1)[:2] == (500, 0.92)


def say_best(trainer: Trainer, step: int, value: float, segment: int = 0) -> tuple[Any, ...]:
    """Say that this is the best so far; return what the tracker calls the best."""
    decision = {"stop": False, "improved": True, "best_step": step, "best_value": value}
    validation = trainer.report_validation(step, value, segment=segment, decision=decision)
    receipt = trainer.say(validations=[validation], checkpoints=[trainer.checkpoint(step, value, segment=segment)])
    return receipt["best_step"], receipt["best_value"], receipt["best_checkpoint"]


def test_a_validation_that_is_not_admitted_is_never_the_best(api: Api) -> None:
    trainer = start_external(api)
    assert say_best(trainer, 100, 0.5)[:2] == (100, 0.5)
    decision = {"stop": False, "improved": False, "best_step": 100, "best_value": 0.5, "is_admitted": False}
    receipt = trainer.say(validations=[trainer.report_validation(200, 0.9, decision=decision)])
    assert (receipt["best_step"], receipt["best_value"]) == (100, 0.5)
    assert say_best(trainer, 300, 0.6)[:2] == (300, 0.6)


def start_on_worker(api: Api) -> tuple[Trainer, Callable[[], Trainer]]:
    """Return a worker's trainer, and what takes the run over once the lease has run out."""
    workers = [new_id(), new_id()]
    for number, worker in enumerate(workers):
        said = {"name": f"mill-{number}", "host": "mill", "pid": 7, "version": "0.1", "slots": 1}
        hello = {"id": worker, **said, "recipes": [CNN.model_dump(mode="json")]}
        assert api.call("PUT", f"/workers/{worker}", hello, role=Role.WORKER).status_code == 200
    run = api.post("/runs", {"source": {"kind": "recipe", "name": "hvass-cnn"}})["id"]
    first = Trainer(api, run, claim(api, workers[0]))

    def take_over() -> Trainer:
        with db.write(api.engine) as conn:
            assert leases.expire_leases(conn, api.wait(31)) == [run]
        return Trainer(api, run, claim(api, workers[1]))

    return first, take_over


def claim(api: Api, worker: str) -> str:
    return str(api.post("/leases", {"worker": worker}, role=Role.WORKER)["lease"]["token"])


def one_point(segment: int, time: float) -> list[dict[str, Any]]:
    return [{"segment": segment, "key": "loss", "steps": [1], "values": [1.0], "times": [time]}]


# Best


@pytest.mark.parametrize(("mode", "better", "worse"), [("max", 0.9, 0.8), ("min", 0.1, 0.2)])
def test_only_a_strictly_better_value_is_best(api: Api, mode: str, better: float, worse: float) -> None:
    trainer = start_external(api, mode=mode)
    first = trainer.checkpoint(100, better)
    trainer.say(validations=[trainer.report_validation(100, better)], checkpoints=[first])
    for step, value in ((200, better), (300, worse), (400, "NaN"), (500, "Infinity"), (600, None)):
        receipt = trainer.say(
            validations=[trainer.report_validation(step, value)], checkpoints=[trainer.checkpoint(step, value)]
        )
        assert (receipt["best_step"], receipt["best_value"], receipt["best_checkpoint"]) == (100, better, first["id"])
    run = api.get(f"/runs/{trainer.run}")
    assert (run["best_step"], run["validations"], run["last_validation_step"]) == (100, 6, 600)


def test_of_equals_in_one_batch_the_first_is_best(api: Api, trainer: Trainer) -> None:
    points = [trainer.checkpoint(step, 0.9) for step in (100, 200)]
    receipt = trainer.say(
        validations=[trainer.report_validation(100, 0.9), trainer.report_validation(200, 0.9)], checkpoints=points
    )
    assert (receipt["best_step"], receipt["best_checkpoint"]) == (100, points[0]["id"])


def test_without_a_direction_nothing_is_best_yet(api: Api) -> None:
    trainer = start_external(api, mode="auto")
    assert trainer.say(validations=[trainer.report_validation(100, 0.9)])["best_value"] is None
    receipt = trainer.say(
        validations=[trainer.report_validation(200, 0.8)], progress={"mode": "min", "at": iso(api.now)}
    )
    assert (receipt["best_step"], receipt["best_value"]) == (200, 0.8)
    assert api.get(f"/runs/{trainer.run}")["mode"] == "min"


def test_the_next_best_is_named_when_the_best_is_dropped(api: Api, trainer: Trainer) -> None:
    points = [trainer.checkpoint(100, 0.7), trainer.checkpoint(200, 0.9), trainer.checkpoint(300, 0.8)]
    trainer.say(checkpoints=points)
    gone = {"id": points[1]["id"], "reason": "newer", "at": iso(api.now)}
    assert trainer.say(dropped=[gone])["best_checkpoint"] == points[2]["id"]
    states = [point["state"] for point in api.get(f"/runs/{trainer.run}/checkpoints")["checkpoints"]]
    assert states == ["durable", "dropped", "durable"]


def test_the_answer_brings_commands_until_they_are_obeyed(api: Api, trainer: Trainer) -> None:
    asked = api.post(f"/runs/{trainer.run}/commands", {"kind": "checkpoint"})
    assert [command["id"] for command in trainer.log("loss", [1], [1.0])["commands"]] == [asked["id"]]
    assert trainer.say(commands=[update(api, asked, "acknowledged")])["commands"][0]["state"] == "acknowledged"
    assert trainer.say(commands=[update(api, asked, "done")])["commands"] == []


def update(api: Api, command: dict[str, Any], state: str) -> dict[str, Any]:
    return {"id": command["id"], "state": state, "at": iso(api.now)}


def test_output_is_taken_once_and_read_on_from_where_one_was(api: Api, trainer: Trainer) -> None:
    pieces = [{"stream": "stdout", "offset": at, "text": f"line {at}\n", "at": iso(api.now)} for at in range(3)]
    trainer.say(logs=pieces)
    trainer.say(logs=pieces[1:])
    page = api.get(f"/runs/{trainer.run}/logs?limit=2")
    assert [piece["text"] for piece in page["pieces"]] == ["line 0\n", "line 1\n"]
    rest = api.get(f"/runs/{trainer.run}/logs?cursor={page['cursor']}")
    assert [piece["text"] for piece in rest["pieces"]] == ["line 2\n"]
    assert rest["cursor"] is None
    assert api.get(f"/runs/{trainer.run}/logs?after={rest['pieces'][0]['seq']}")["pieces"] == []
    assert api.get(f"/runs/{trainer.run}/logs?tail=1&limit=1")["pieces"][0]["text"] == "line 2\n"


HOSTILE = [
    "<script>alert(1)</script>",
    "'; DROP TABLE runs; --",
    "../../etc/passwd",
    "a/b c%2F?#&",
    "{{7*7}}",
    "val_f1(macro) = ä🙂, 学习率",
]


@pytest.mark.parametrize("key", ["\u202eevil", "a\nb", "a\x85b", "a\u2028b", "", "x" * 201, "\u0958" * 150])
def test_a_name_that_cannot_be_seen_is_refused(api: Api, trainer: Trainer, key: str) -> None:
    body = trainer.body(columns=[{"segment": 0, "key": key, "steps": [1], "values": [1.0], "times": [1.0]}])
    status, error = api.fail("POST", f"/runs/{trainer.run}/batches", body, lease=trainer.lease, role=Role.WORKER)
    assert (status, error["field"]) == (422, "columns.0.key")


def test_a_name_is_kept_composed(api: Api, trainer: Trainer) -> None:
    trainer.log("vale\u0301", [1], [1.0])
    trainer.log("val\u00e9", [2], [2.0])
    (kept,) = api.get(f"/runs/{trainer.run}/metrics")["metrics"]
    assert (kept["key"], kept["count"]) == ("val\u00e9", 2)
    assert api.get(f"/runs/{trainer.run}/curve?key=vale%CC%81")["total"] == 2


@pytest.mark.parametrize("key", HOSTILE)
def test_hostile_names_are_only_names(api: Api, trainer: Trainer, key: str) -> None:
    trainer.log(key, [1], [1.0])
    assert [row["key"] for row in api.get(f"/runs/{trainer.run}/metrics")["metrics"]] == [key]
    answer = api.app.test_client().get(
        f"/api/v1/runs/{trainer.run}/curve",
        query_string={"key": key},
        headers={"Authorization": f"Bearer {api.token(Role.VIEWER)}"},
    )
    assert answer.get_json()["pieces"][0]["values"] == [1.0]
