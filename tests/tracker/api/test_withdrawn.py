"""A validation that was the best and is none: its trainer found that the network had become NaN, and takes it back."""

from __future__ import annotations

from typing import Any

import pytest

from keepbest.contract.base import iso
from keepbest.status import Role
from tests.support.api import Api
from tests.support.trainer import GO_ON, Trainer, start_external


@pytest.fixture
def trainer(api: Api) -> Trainer:
    return start_external(api)


def withdrawn(api: Api, step: int, value: float, best: tuple[int, float] | None, **more: Any) -> dict[str, Any]:
    decision = {**GO_ON, "wait": 1, "patience_left": 9, "unit": "checks", "message": "Step 300: 0.8; best 0.5."}
    decision |= {"best_step": best[0], "best_value": best[1]} if best else {}
    said = {"segment": 0, "step": step, "value": value, "reason": "dense/kernel became NaN", "at": iso(api.now)}
    return {**said, "decision": decision, **more}


def best_of(api: Api, trainer: Trainer) -> tuple[Any, Any]:
    run = api.get(f"/runs/{trainer.run}")
    return run["best_step"], run["best_value"]


def ledger(api: Api, trainer: Trainer) -> list[tuple[int, Any, bool, bool]]:
    validations = api.get(f"/runs/{trainer.run}/validations")["validations"]
    return [
        (validation["step"], validation["value"], validation["is_withdrawn"], validation["withdraws"])
        for validation in validations
    ]


def test_a_withdrawn_best_goes_back_and_the_ledger_says_so(api: Api, trainer: Trainer) -> None:
    point = trainer.checkpoint(100, 0.5)
    trainer.say(
        validations=[trainer.report_validation(100, 0.5), trainer.report_validation(200, 0.9)], checkpoints=[point]
    )
    assert best_of(api, trainer) == (200, 0.9)
    receipt = trainer.say(withdrawn=[withdrawn(api, 200, 0.9, (100, 0.5))])
    assert (receipt["best_step"], receipt["best_value"], receipt["best_checkpoint"]) == (100, 0.5, point["id"])
    assert best_of(api, trainer) == (100, 0.5)
    assert ledger(api, trainer) == [(100, 0.5, False, False), (200, 0.9, True, False), (200, None, False, True)]
    (entry,) = [
        validation
        for validation in api.get(f"/runs/{trainer.run}/validations")["validations"]
        if validation["withdraws"]
    ]
    assert (entry["note"], entry["decision"]["best_step"]) == ("dense/kernel became NaN", 100)
    run = api.get(f"/runs/{trainer.run}")
    assert (run["validations"], run["wait"], run["patience_left"]) == (2, 1, 9)
    (event,) = [one for one in api.get("/events?after=0")["events"] if one["kind"] == "run.withdrawn"]
    assert (event["data"]["step"], event["data"]["reason"]) == (200, "dense/kernel became NaN")


def test_said_twice_it_is_there_once_and_the_best_stays(api: Api, trainer: Trainer) -> None:
    trainer.say(validations=[trainer.report_validation(100, 0.5), trainer.report_validation(200, 0.9)])
    said = withdrawn(api, 200, 0.9, (100, 0.5))
    trainer.say(withdrawn=[said, said])
    trainer.say(validations=[trainer.report_validation(300, 0.6)])
    trainer.say(withdrawn=[said])  # by another process of the run, from an older journal
    assert best_of(api, trainer) == (300, 0.6)
    assert [step for step, _, _, withdraws in ledger(api, trainer) if withdraws] == [200]


@pytest.mark.parametrize("together", [True, False])
def test_a_later_best_is_the_best_whatever_comes_in_one_batch(api: Api, trainer: Trainer, *, together: bool) -> None:
    validations = [
        trainer.report_validation(100, 0.5),
        trainer.report_validation(200, 0.9),
        trainer.report_validation(300, 0.8),
    ]
    said = [withdrawn(api, 200, 0.9, (100, 0.5)), withdrawn(api, 300, 0.8, (100, 0.5))][:1]
    if together:
        trainer.say(validations=validations, withdrawn=said)
    else:
        trainer.say(validations=validations[:2])
        trainer.say(validations=validations[2:], withdrawn=said)
    assert best_of(api, trainer) == (300, 0.8)


@pytest.mark.parametrize("outcome", ["finished", "cancelled", "failed"])
def test_said_after_the_run_ended_it_is_none_all_the_same(api: Api, trainer: Trainer, outcome: str) -> None:
    """Its trainer wrote it down, and ended before the tracker answered: the journal's rest comes when it can."""
    validations = [
        trainer.report_validation(100, 0.5),
        trainer.report_validation(200, 0.9),
        trainer.report_validation(300, 0.8),
    ]
    trainer.say(validations=validations)
    point, said = trainer.checkpoint(100, 0.5), withdrawn(api, 200, 0.9, (100, 0.5))
    api.post(f"/leases/{trainer.run}/release", {"outcome": outcome}, lease=trainer.lease)
    trainer.say(withdrawn=[said], checkpoints=[point])
    run = api.get(f"/runs/{trainer.run}")
    assert (run["state"], run["best_step"], run["best_value"]) == (outcome, 100, 0.5)
    assert run["best_checkpoint"] == point["id"]
    assert (200, None, False, True) in ledger(api, trainer)
    events = api.get("/events?after=0")["events"]
    assert [one["data"]["best_step"] for one in events if one["kind"] == "run.best"] == [200, 100]
    assert [one["data"]["step"] for one in events if one["kind"] == "run.withdrawn"] == [200]


def test_of_a_run_that_has_no_other_nothing_is_the_best(api: Api, trainer: Trainer) -> None:
    trainer.say(validations=[trainer.report_validation(200, 0.9)])
    trainer.say(withdrawn=[withdrawn(api, 200, 0.9, None)])
    assert best_of(api, trainer) == (None, None)


def test_a_replay_takes_it_for_not_finite(api: Api, trainer: Trainer) -> None:
    trainer.say(
        validations=[
            trainer.report_validation(step, value) for step, value in ((100, 0.5), (200, 0.9), (300, 0.4), (400, 0.95))
        ]
    )
    trainer.say(withdrawn=[withdrawn(api, 200, 0.9, (100, 0.5)), withdrawn(api, 400, 0.95, (100, 0.5))])
    replayed = api.post("/replays", {"runs": [trainer.run], "stoppers": ["patience(2)"]}, role=Role.VIEWER)
    (outcome,) = replayed["policies"][0]["outcomes"]
    assert (outcome["best_step"], outcome["stop_step"]) == (100, 300)
