"""What other policies would have done, asked of the tracker: the living path of each run, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from keepbest.contract.base import iso
from keepbest.status import Role
from tests.support.api import Api
from tests.support.seed_record import PERCENT
from tests.support.trainer import Trainer, start_external
from tracker.api import replays


def train(api: Api, values: list[Any], *, every: int = 100, **asked: Any) -> Trainer:
    """A run with these validations, ten seconds apart, on 5000 examples."""
    trainer = start_external(api, **asked)
    add_validations(api, trainer, values, every=every)
    return trainer


def add_validations(
    api: Api, trainer: Trainer, values: list[Any], *, every: int = 100, after: int = 0, **more: Any
) -> None:
    validations = []
    for place, value in enumerate(values, start=1):
        more |= {"at": iso(api.wait(10))}
        validations.append(trainer.report_validation(after + every * place, value, n=5000, **more))
    trainer.say(validations=validations, progress={"step": after + every * len(values), "at": iso(api.now)})


@pytest.fixture
def seed(api: Api) -> Trainer:
    """The tutorial's run, with a checkpoint of its best."""
    trainer = train(api, [round(percent / 100, 3) for percent in PERCENT])
    trainer.say(checkpoints=[trainer.checkpoint(4800, 0.988)], progress={"step": 5801, "at": iso(api.now)})
    return trainer


def ask(api: Api, *runs: str, **asked: Any) -> Any:
    return api.post("/replays", {"runs": list(runs), **asked}, role=Role.VIEWER)


def test_the_tutorials_exercise(api: Api, seed: Trainer) -> None:
    found = ask(api, seed.run, stoppers=["600steps", "patience(steps=700)", "1001steps"])
    assert (found["monitor"], found["mode"], found["runs"][0]["end_step"]) == ("val_accuracy", "max", 5801)
    (early,), (right,), (late,) = (policy["outcomes"] for policy in found["policies"])
    assert (early["stop_step"], early["best_step"], early["steps_saved"], early["examples_lost"]) == (
        3101,
        2500,
        2700,
        30,
    )
    assert (early["has_checkpoint"], early["nearest_checkpoint"], early["reason"]) == (False, 4800, "patience")
    assert early["seconds_saved"] == pytest.approx(580.0 - 310.1, abs=1)
    assert (right["stop_step"], right["value_lost"], right["has_checkpoint"]) == (5501, 0.0, True)
    assert (late["status"], late["steps_saved"], late["value_lost"]) == ("censored", None, None)
    assert found["recommended"] == 1
    assert found["message"].startswith("patience(steps=700) would have kept the same best and saved 5 % of the steps.")
    assert [policy["on_front"] for policy in found["policies"]] == [True, True, False]
    assert found["policies"][1]["policy"]["params"] == {"steps": 700}


def test_epochs_are_counted_as_the_run_counted_them(api: Api) -> None:
    values = [0.5, 0.6, 0.7, 0.6, 0.6, 0.6, 0.6]
    trainer = start_external(api)
    for place, value in enumerate(values, start=1):
        looked = trainer.report_validation(50 * place, value, n=5000, epoch=place / 2, at=iso(api.wait(10)))
        trainer.say(validations=[looked], progress={"step": 50 * place, "at": iso(api.now)})
    silent = train(api, values)
    (policy,) = ask(api, trainer.run, silent.run, stoppers=["1epoch"])["policies"]
    counted, unknown = policy["outcomes"]
    assert (counted["status"], counted["stop_step"], counted["best_step"]) == ("stopped", 250, 150)
    assert (unknown["status"], unknown["stop_step"]) == ("inconclusive", None)
    assert unknown["message"] == "The policy counts in epochs, and no validation of the run has an epoch."


def test_without_policies_a_ladder_of_patience_is_tried(api: Api, seed: Trainer) -> None:
    found = ask(api, seed.run)
    assert [policy["stopper"] for policy in found["policies"]][:2] == ["patience(checks=2)", "patience(checks=3)"]


def test_a_choice_for_a_project_is_tried_on_each_run_in_turn(api: Api) -> None:
    for _ in range(3):
        train(api, [0.5, 0.6, 0.7, 0.6, 0.6, 0.6], project="digits")
    train(api, [0.1], project="other")
    start_external(api, project="digits")  # nothing to replay yet, and not worth a word
    found = ask(api, project="digits", stoppers=["patience(1)", "patience(2)"])
    assert (len(found["runs"]), found["left_out"]) == (3, [])
    assert found["policies"][0]["summary"]["share_saved"] == pytest.approx(2 / 6)
    assert (found["recommended"], found["held_out"]["kept_best"]) == (0, 3)


def test_runs_that_cannot_be_compared_are_named(api: Api) -> None:
    kept = [train(api, [0.5, 0.4]).run for _ in range(2)]
    other = train(api, [0.5], monitor="val_loss", mode="min").run
    empty = start_external(api, mode="auto").run
    found = ask(api, *kept, other, empty, stoppers=["patience(1)"])
    assert [run["id"] for run in found["runs"]] == kept
    said = {run["id"]: run["message"] for run in found["left_out"]}
    assert said == {other: "The run watches val_loss (min).", empty: "No validations."}
    assert ask(api, empty)["message"] == "No policy can be replayed on these runs."


def test_abandoned_tails_are_not_replayed(api: Api) -> None:
    trainer = train(api, [0.5, 0.9, 0.1])
    api.wait(1000)
    trainer.open(1, parent=0, start_step=100)
    add_validations(api, trainer, [0.6, 0.7], after=100, segment=1)
    (policy,) = ask(api, trainer.run, stoppers=["max_seconds(25)"])["policies"]
    (outcome,) = policy["outcomes"]
    assert (outcome["best_step"], outcome["best_value"], outcome["stop_step"]) == (300, 0.7, 300)


def test_the_training_loss_is_read_finite_or_not(api: Api) -> None:
    trainer = start_external(api, mode="min", monitor="val_loss")
    for step, value, loss in ((1, 1.0, 1.0), (2, "NaN", 1.0), (3, 1.2, 1.0), (4, 1.2, "NaN")):
        trainer.say(validations=[trainer.report_validation(step, value, metrics={"loss": loss})])
    asked = ["progress_quotient(strip=3)", "progress_quotient(strip=4)", "check_finite", "noise_aware"]
    found = [policy["outcomes"][0] for policy in ask(api, trainer.run, stoppers=asked)["policies"]]
    assert [(one["status"], one["stop_step"]) for one in found] == [
        ("stopped", 3),
        ("censored", None),
        ("stopped", 2),
        ("inconclusive", None),
    ]


def test_the_budget_of_the_run_ends_every_policy(api: Api) -> None:
    run = train(api, [0.5, 0.6], max_steps=200).run
    (outcome,) = ask(api, run, stoppers=["patience(50)"])["policies"][0]["outcomes"]
    assert (outcome["stop_step"], outcome["reason"], outcome["steps_saved"]) == (200, "max_steps", 0)


def test_savings_count_from_where_the_shadow_would_have_stopped(api: Api) -> None:
    inner = {"name": "patience", "params": {"checks": 2}}
    run = train(api, [0.5, 0.4, 0.3, 0.6, 0.5, 0.4], stopper={"name": "shadow", "policies": [inner]}).run
    found = ask(api, run, stoppers=["patience(1)", "patience(3)"])
    assert (found["runs"][0]["own_stop"], found["runs"][0]["end_step"]) == (300, 600)
    early, late = (policy["outcomes"][0] for policy in found["policies"])
    assert (early["stop_step"], early["steps_saved"], early["value_lost"]) == (200, 100, 0.0)
    assert early["regret"] == pytest.approx(0.1)
    assert (late["status"], late["best_step"]) == ("censored", 400)


def test_bounds_are_judged_on_the_recorded_metrics(api: Api) -> None:
    inner = {"name": "patience", "params": {"checks": 5}}
    bound = {"name": "require", "params": {"condition": "recall > 0.5"}, "policies": [inner]}
    trainer = start_external(api, stopper=bound)
    for step, value, recall in ((1, 0.5, 0.9), (2, 0.9, 0.1), (3, 0.8, "NaN"), (4, 0.6, 0.9)):
        trainer.say(validations=[trainer.report_validation(step, value, metrics={"recall": recall})])
    found = ask(api, trainer.run, stoppers=["patience(1)", 'require("recall > 0.05", 2)', 'require("auc > 0", 2)'])
    assert (found["runs"][0]["best_step"], found["runs"][0]["best_value"]) == (4, 0.6)
    outcomes = [policy["outcomes"][0] for policy in found["policies"]]
    assert [(one["status"], one["stop_step"], one["best_step"]) for one in outcomes] == [
        ("stopped", 2, 1),
        ("stopped", 3, 1),
        ("inconclusive", None, None),
    ]


def test_a_policy_that_sets_the_rate_is_followed_in_replay(api: Api) -> None:
    reducing = {"name": "reduce_on_plateau", "params": {"checks": 2, "factor": 0.5}}
    trainer = start_external(api, stopper=reducing)
    for step, value in enumerate((0.5, 0.4, 0.4, 0.3, 0.3, 0.2), start=1):
        said = {"rate_factor": 0.5} if step in (3, 5) else {}
        trainer.say(
            validations=[trainer.report_validation(step, value, decision={"stop": False, "improved": False, **said})]
        )
    asked = ["reduce_on_plateau(2, factor=0.5) | patience(5)", "reduce_on_plateau(2) | patience(5)", "patience(5)"]
    found = [policy["outcomes"][0] for policy in ask(api, trainer.run, stoppers=asked)["policies"]]
    assert [(one["status"], one["stop_step"]) for one in found] == [
        ("stopped", 6),
        ("inconclusive", None),
        ("stopped", 6),
    ]
    assert found[1]["message"].startswith("At step 3 the policy would have set another")


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({}, 422, "runs"),
    ({"runs": ["zzzz"]}, 404, "run"),
    ({"project": "a\u202eb"}, 422, "project"),
    ({"runs": ["a"], "stoppers": ["patience(0)"]}, 422, "stoppers.0"),
    ({"runs": ["a"], "stoppers": ["10", "pacience"]}, 422, "stoppers.1"),
    ({"runs": ["a"], "stoppers": ["10"] * 21}, 422, "stoppers"),
    ({"runs": ["a"] * 201}, 422, "runs"),
    ({"runs": ["a"], "tolerate": -1}, 422, "tolerate"),
    ({"runs": ["a"], "tolerate": "NaN"}, 422, "tolerate"),
    ({"runs": ["a"], "stopper": "10"}, 422, "stopper"),
]


def test_what_is_wrong_is_named(api: Api) -> None:
    for asked, status, field in BAD:
        answered, error = api.fail("POST", "/replays", asked)
        assert (answered, error["field"]) == (status, field), asked


def test_too_much_at_a_time_is_refused_before_it_is_read(
    api: Api, seed: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "MAX_DECISIONS", 100)
    status, error = api.fail("POST", "/replays", {"runs": [seed.run], "stoppers": ["10", "20"]})
    assert (status, error["code"]) == (413, "too_large")
    assert "116 decisions" in error["message"]


def test_a_run_named_twice_counts_once(api: Api) -> None:
    run = train(api, [0.5, 0.4]).run
    assert len(ask(api, run, run, project="default", stoppers=["1"])["runs"]) == 1


def test_a_worker_may_not_ask(api: Api, seed: Trainer) -> None:
    assert api.fail("POST", "/replays", {"runs": [seed.run]}, role=Role.WORKER)[0] == 403
