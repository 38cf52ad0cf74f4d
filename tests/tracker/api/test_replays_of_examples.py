"""Replays of policies that compare validations example by example: what a run did, its record does again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.contract.batches import BatchReceipt
from keepbest.contract.commands import CommandList
from keepbest.contract.workers import Assignment
from keepbest.status import Role
from keepbest.stopping import Decision, Mode, Validation, parse, read_pairs
from keepbest.tracking.attach import attach
from keepbest.tracking.run import Run
from keepbest.tracking.stopper import Stopper
from tests.support.api import Api
from tests.support.trainer import start_external
from tracker.store import per_example

N = 200
#: Step, value and what the script says of the examples.
Taken = tuple[int, float, dict[str, Any]]


class Through:
    """The tracker, without a network between."""

    files: Any = None

    def __init__(self, api: Api) -> None:
        self.api = api

    def post_batch(self, run: str, body: bytes, content_type: str, lease: str) -> BatchReceipt:
        how: dict[str, Any] = {"role": Role.WORKER, "lease": lease, "headers": {"Content-Type": content_type}}
        return BatchReceipt.model_validate(self.api.post(f"/runs/{run}/batches", body, **how))

    def commands(self, run: str, *, open_only: bool = False) -> CommandList:
        return CommandList(commands=[])


def begin(api: Api, folder: Path, stopper: str, mode: Mode, **asked: Any) -> Run:
    wanted = {"source": {"kind": "external"}, "monitor": "score", "mode": mode, "stopper": parse(stopper)}
    known = api.post("/runs", {**wanted, **asked})
    assignment = Assignment.model_validate(api.post("/leases", {"run": known["id"]}))
    return attach(assignment, Through(api), folder)


def train(api: Api, folder: Path, stopper: str, mode: Mode, validations: list[Taken]) -> tuple[str, Decision]:
    """Train until the stopper or the validations end; return the run's id and its last decision."""
    with begin(api, folder, stopper, mode) as run:
        for step, value, said in validations:
            decision = run.report_validation(step, value, N, **said)
            if decision.stop:
                break
    return run.id, decision


def draw(seed: int) -> Iterator[tuple[int, Any]]:
    """Yield at each step how sure a model is of each example: better and better, then overfitted."""
    random = np.random.default_rng(seed)
    sure, common = random.normal(0.5, 1, N), np.zeros(N)
    for step in range(40):
        common = 0.8 * common + 0.3 * random.normal(size=N)
        yield 10 * (step + 1), sure + 1.2 * np.tanh(step / 6) - 0.0008 * step**2 + common


def make_validations(kind: str, seed: int) -> list[Taken]:
    random, validations = np.random.default_rng(seed), list[Taken]()
    for step, sure in draw(seed):
        losses, right = np.log1p(np.exp(-sure)), sure > 0
        said: dict[str, Any] = {"losses": losses} if kind == "losses" else {"correct": right}
        value = float(losses.mean() if kind == "losses" else right.mean())
        if kind == "gaps" and random.random() < 0.3:
            value, said = (float("nan"), said) if random.random() < 0.5 else (value, {})
        validations.append((step, value, said))
    return validations


def replay(api: Api, run: str, *stoppers: str) -> list[dict[str, Any]]:
    found = api.post("/replays", {"runs": [run], "stoppers": list(stoppers)}, role=Role.VIEWER)
    return [policy["outcomes"][0] for policy in found["policies"]]


def judge_alone(policy: str, mode: Mode, validations: list[Taken]) -> Decision:
    stopper = Stopper(parse(policy), mode)
    for step, value, said in validations:
        decision = stopper.observe(
            Validation(step, value, N, pairs=read_pairs(said.get("correct"), said.get("losses")))
        )
        if decision.stop:
            break
    return decision


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", ["correct", "losses", "gaps"])
def test_the_record_of_a_run_does_what_the_run_did(api: Api, tmp_path: Path, kind: str, seed: int) -> None:
    mode: Mode = "min" if kind == "losses" else "max"
    validations, own = make_validations(kind, seed), "paired_noise(checks=8)"
    run, decided = train(api, tmp_path, own, mode, validations)
    assert decided.stop
    (again,) = replay(api, run, own)
    assert (again["status"], again["stop_step"], again["best_step"]) == ("stopped", decided.at_step, decided.best_step)
    assert again["message"] == decided.message  # to the last figure of the last test
    assert (again["steps_saved"], again["value_lost"]) == (0, 0)
    others = ["paired_noise(checks=2)", "paired_noise(checks=6, alpha=0.3)", "paired_noise(checks=3) & patience(2)"]
    for outcome, other in zip(replay(api, run, *others), others, strict=True):
        alone = judge_alone(other, mode, [validation for validation in validations if validation[0] <= decided.at_step])
        assert outcome["status"] == ("stopped" if alone.stop else "censored"), other
        assert not alone.stop or (outcome["stop_step"], outcome["message"]) == (alone.at_step, alone.message)


def test_examples_said_unasked_are_recorded_silence_is_unpaired(api: Api, tmp_path: Path) -> None:
    validations = make_validations("correct", 3)
    validations = [(step, value, said if place % 4 else {}) for place, (step, value, said) in enumerate(validations)]
    run, _ = train(api, tmp_path, "patience(50)", "max", validations)
    (outcome,) = replay(api, run, "paired_noise(checks=4)")
    alone = judge_alone("paired_noise(checks=4)", "max", validations)
    assert (outcome["stop_step"], outcome["message"]) == (alone.at_step, alone.message)


def test_a_record_that_nobody_asked_for_is_inconclusive(api: Api, tmp_path: Path) -> None:
    run, _ = train(api, tmp_path, "patience(5)", "max", [(step, 0.5, {}) for step in (1, 2)])
    (outcome,) = replay(api, run, "paired_noise(checks=1)")
    assert (outcome["status"], "what each example did" in outcome["message"]) == ("inconclusive", True)


def test_a_validation_without_an_asked_answer_is_a_hole(api: Api) -> None:
    """What the policy saw there is not known, so not what it did after."""
    trainer = start_external(api, stopper=parse("paired_noise(checks=9)"))
    for step, said in enumerate([{"correct": {"n": 2, "bits": "Ag=="}}, {"unpaired": "why"}, None], start=1):
        trainer.say(validations=[trainer.report_validation(step, 0.5, examples=said)])
    sure, unsure = replay(api, trainer.run, "paired_noise(checks=1)", "paired_noise(checks=2)")
    assert (sure["stop_step"], "unpaired: why" in sure["message"]) == (2, True)
    assert unsure["status"] == "inconclusive"


def test_savings_count_from_the_stop_in_the_shadow(api: Api, tmp_path: Path) -> None:
    validations = make_validations("losses", 4)
    run, decided = train(api, tmp_path, "shadow(paired_noise(checks=3))", "min", validations)
    assert not decided.stop
    found = api.post("/replays", {"runs": [run], "stoppers": ["patience(2)"]}, role=Role.VIEWER)
    assert found["runs"][0]["own_stop"] == judge_alone("paired_noise(checks=3)", "min", validations).at_step


def test_only_the_living_path_is_compared(api: Api, tmp_path: Path) -> None:
    flags = {step: [i < right for i in range(N)] for step, right in ((1, 100), (2, 199), (3, 90), (4, 108))}
    with begin(api, tmp_path, "paired_noise(checks=9)", "max") as run:
        run.report_validation(1, 0.5, N, correct=flags[1])
        state = run.stopper.state()
        for step in (2, 3):
            run.report_validation(step, sum(flags[step]) / N, N, correct=flags[step])
        run.branch(1, parent=0, state=state)
        run.report_validation(2, sum(flags[4]) / N, N, correct=flags[4])
        run.report_validation(3, sum(flags[3]) / N, N, correct=flags[3])
    (outcome,) = replay(api, run.id, "paired_noise(checks=1)")
    assert (outcome["stop_step"], outcome["best_step"]) == (3, 2)
    assert "0 newly right, 18 newly wrong" in outcome["message"]


def test_more_than_one_request_should_hold_or_draw_is_refused(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validations = make_validations("losses", 5)[:10]
    run, _ = train(api, tmp_path, "shadow(paired_noise(checks=3))", "min", validations)
    monkeypatch.setattr(per_example, "MAX_LOSSES", 10 * N)
    asked = ["patience(2)", "paired_noise(checks=3)", "patience(3) | paired_noise(checks=9)"]
    assert len(replay(api, run, *asked)) == 3
    status, error = api.fail("POST", "/replays", {"runs": [run], "stoppers": [*asked, "paired_noise(alpha=0.1)"]})
    assert (status, error["code"], error["field"]) == (413, "too_large", "runs")
    assert (error["message"], "fewer runs" in error["hint"]) == (
        "The losses of all examples at the validations of 1 runs, for 2 alpha: 4,000; 2,000 at most.",
        True,
    )
    monkeypatch.setattr(per_example, "MAX_BYTES", 10 * 4 * N - 1)
    status, error = api.fail("POST", "/replays", {"runs": [run], "stoppers": asked})
    assert (status, "takes" in error["message"]) == (413, True)
