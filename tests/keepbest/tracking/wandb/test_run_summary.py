"""A run's summary: last values, what `define_metric` asks for, what the script writes."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest

from keepbest.tracking.recorder import Recorder
from keepbest.tracking.wandb.run_summary import MAX_VALUES, RunSummary, flatten


@pytest.fixture
def recorder() -> Recorder:
    return Recorder("val_loss", None, 0)


@pytest.fixture
def summary(recorder: Recorder) -> RunSummary:
    return RunSummary(recorder)


@pytest.mark.parametrize(
    ("kinds", "goal", "shown"),
    [
        (None, None, 2.0),
        ("last", None, {"last": 2.0}),
        ("min", None, {"min": 1.0}),
        ("max,mean", None, {"max": 3.0, "mean": 2.0}),
        ("first", None, {"first": 3.0}),
        ("best", "maximize", {"best": 3.0}),
        ("best", "minimize", {"best": 1.0}),
        ("copy", None, 2.0),
        ("worst", None, 2.0),
    ],
)
def test_a_defined_summary_is_shown(recorder: Recorder, summary: RunSummary, kinds: str, goal: str, shown: Any) -> None:
    summary.define("sc*", kinds, goal)
    for value in (3.0, 1.0, math.nan, 2.0):
        recorder.log({"score": value})
    assert summary["score"] == summary.score == shown


def test_a_metric_without_summary_is_not_there(recorder: Recorder, summary: RunSummary) -> None:
    summary.define("score", "none", None)
    recorder.log({"score": 1.0, "train.loss": 2.0, "train.by.class": 3.0})
    assert (list(summary), "score" in summary, len(summary)) == (["train.loss", "train.by.class"], False, 2)
    assert summary["train"] == {"loss": 2.0, "by": {"class": 3.0}}
    assert summary.train.by == {"class": 3.0}
    with pytest.raises(KeyError):
        summary["score"]
    with pytest.raises(AttributeError, match=r"Did you mean 'train.loss'"):
        summary.train_los  # noqa: B018


def test_what_is_written_wins(recorder: Recorder, summary: RunSummary) -> None:
    recorder.log({"loss": 2.0})
    summary["loss"] = 1.0
    summary.update({"deep": {"x": 1}}, words="w")
    assert dict(summary) == {"loss": 1.0, "deep.x": 1, "words": "w"}
    del summary["loss"]
    assert summary.loss == 2.0


def test_only_own_numbers_become_metrics(recorder: Recorder, summary: RunSummary) -> None:
    put: list[Any] = []
    recorder.log({"loss": 2.0}, step=7)
    summary.update({"loss": 1.0, "test": 0.5, "words": "w", "fine": True})
    recorder.sink = type("Sink", (), {"put": staticmethod(put.append)})()
    begun: list[int] = []
    summary.write_numbers(begun.append)
    assert begun == [7]
    assert [(item[0], item[3]) for item in put if isinstance(item, tuple)] == [(7, {"test": 0.5})]


def test_nesting_has_limits() -> None:
    circle: dict[str, Any] = {"x": 1}
    circle |= {str(place): circle for place in range(20)}
    assert len(flatten(circle)) <= MAX_VALUES
    assert flatten({1: 2, "a": {3: 4}, "empty": {}}) == {1: 2, "a.3": 4}


def test_a_copy_is_a_dict(recorder: Recorder, summary: RunSummary) -> None:
    recorder.log({"loss": 2.0})
    summary["words"] = "w"
    assert copy.copy(summary) == copy.deepcopy(summary) == {"loss": 2.0, "words": "w"}
