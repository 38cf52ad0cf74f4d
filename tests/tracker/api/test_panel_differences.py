"""What changed between two recordings: of a run at its best and its last, or of two runs, each at its best."""

from __future__ import annotations

from typing import Any

from keepbest.status import Role
from tests.support.api import Api
from tests.support.classified import list_panels, predict
from tests.support.trainer import Trainer, start_external


def validate(trainer: Trainer, step: int, value: float, best_step: int, mistakes: dict[int, int], **kind: Any) -> None:
    decision = {"stop": False, "improved": step == best_step, "best_step": best_step, "best_value": 0.75}
    trainer.say(
        validations=[trainer.report_validation(step, value, decision=decision)],
        panels=list_panels(step, predict(mistakes), **kind),
    )


def train(api: Api, **kind: Any) -> Trainer:
    """A run whose best is at step 200 and whose last is at step 300."""
    trainer = start_external(api)
    validate(trainer, 100, 0.5, 100, {0: 1, 1: 2, 2: 0}, **kind)
    validate(trainer, 200, 0.75, 200, {0: 1}, **kind)
    validate(trainer, 300, 0.5, 200, {1: 0, 5: 1}, **kind)
    return trainer


def diff(api: Api, first: str, **query: Any) -> Any:
    words = "&".join(f"{name}={value}" for name, value in {"first": first, **query}.items())
    return api.get(f"/panels/diff?{words}", role=Role.VIEWER)


def list_changes(difference: Any) -> tuple[list[int], list[int]]:
    examples = difference["examples"]
    return tuple([row["index"] for row in examples[name]] for name in ("right", "wrong"))  # type: ignore[return-value]


def test_the_best_of_a_run_stands_against_its_last(api: Api) -> None:
    difference = diff(api, train(api).run[:6])
    ends = [(difference[end]["at"], difference[end]["step"]) for end in ("first", "second")]
    assert ends == [("best", 200), ("last", 300)]
    assert list_changes(difference) == ([0], [1, 5])
    assert difference["confusion"]["difference"] == [[1, -1, 0], [1, -1, 0], [0, 1, -1]]
    assert (difference["notes"], difference["part"]) == ([], "validation")


def test_two_runs_stand_against_each_other_at_their_best(api: Api) -> None:
    first, second = train(api), start_external(api)
    validate(second, 100, 0.75, 100, {3: 1})
    difference = diff(api, first.run, second=second.run)
    assert [difference[end]["step"] for end in ("first", "second")] == [200, 100]
    assert list_changes(difference) == ([0], [3])


def test_the_ends_may_be_steps(api: Api) -> None:
    difference = diff(api, train(api).run, first_at=100, second_at=250)
    assert [difference[end]["step"] for end in ("first", "second")] == [100, 200]
    assert list_changes(difference) == ([1, 2], [])
    assert difference["notes"] == ["Run #1 recorded nothing at step 250: this is step 200."]


def test_an_abandoned_branch_is_no_end(api: Api) -> None:
    trainer = train(api)
    trainer.open(1, parent=0, start_step=200)
    difference = diff(api, trainer.run)
    assert difference["second"]["step"] == 200
    assert difference["notes"] == ["Both ends are step 200: nothing was recorded after the best."]


def test_old_recordings_tell_what_they_hold(api: Api) -> None:
    difference = diff(api, train(api, is_old=True, count=1).run)
    assert difference["classified"] is None
    assert (difference["examples"]["known"], list_changes(difference)) == (2, ([0], [1]))
    assert difference["notes"][0].startswith("Only the first 2 of 12 examples are known")


def test_a_run_without_recordings_says_so(api: Api) -> None:
    trainer = start_external(api)
    difference = diff(api, trainer.run)
    assert (difference["first"]["step"], difference["confusion"]) == (None, None)
    assert difference["notes"][0].startswith("Neither end has a confusion matrix")


def test_the_nearest_checkpoints_are_named(api: Api) -> None:
    trainer = train(api)
    points = [trainer.checkpoint(step, 0.5) for step in (100, 200, 290)]
    trainer.say(checkpoints=points)
    difference = diff(api, trainer.run)
    named = [(difference[end]["checkpoint"], difference[end]["checkpoint_step"]) for end in ("first", "second")]
    assert named == [(points[1]["id"], 200), (points[2]["id"], 290)]


def test_an_end_that_cannot_be_is_refused(api: Api) -> None:
    run = train(api).run
    status, error = api.fail("GET", f"/panels/diff?first={run}&first_at=worst")
    assert (status, error["field"]) == (422, "first_at")
    assert api.fail("GET", "/panels/diff?first=zzzzzzzzzzzz")[0] == 404
