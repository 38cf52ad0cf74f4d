"""A run's configuration: read and changed like W&B's, recorded as JSON, whatever is put into it."""

from __future__ import annotations

import argparse
import copy
import pickle
from dataclasses import dataclass
from typing import Any

import pytest

from keepbest.tracking.wandb.config_changes import MAX_CHANGES, describe_changes
from keepbest.tracking.wandb.run_config import RunConfig


@dataclass
class Given:
    rate: float = 0.5


@pytest.mark.parametrize(
    "given",
    [{"rate": 0.5}, Given(), argparse.Namespace(rate=0.5), RunConfig({"rate": 0.5})],
    ids=lambda each: type(each).__name__,
)
def test_every_form_of_configuration_is_read(given: Any) -> None:
    config = RunConfig(given)
    assert (config.rate, config["rate"], config.get("rate"), config.get("none"), "rate" in config) == (
        0.5,
        0.5,
        0.5,
        None,
        True,
    )
    assert (list(config.keys()), dict(config), {**config}, config.as_dict(), repr(config)) == (
        ["rate"], {"rate": 0.5}, {"rate": 0.5}, {"rate": 0.5}, "{'rate': 0.5}",
    )  # fmt: skip


def test_each_change_is_told_once() -> None:
    told: list[Any] = []
    config = RunConfig({"a": 1}, lambda before, after: told.append(after))
    config.a = 1
    config.b = 2
    config["c"] = 3
    config.update({"a": 4}, b=5)
    config.setdefaults({"a": 0, "d": 6})
    del config.c
    del config["d"]
    assert told == [
        {"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}, {"a": 4, "b": 5, "c": 3},
        {"d": 6, "a": 4, "b": 5, "c": 3}, {"d": 6, "a": 4, "b": 5}, {"a": 4, "b": 5},
    ]  # fmt: skip


def test_a_missing_value_names_the_nearest() -> None:
    config = RunConfig({"learning_rate": 0.1})
    with pytest.raises(AttributeError, match="Did you mean 'learning_rate'"):
        config.learning_rte  # noqa: B018
    with pytest.raises(KeyError):
        config["learning_rte"]


def test_a_hostile_configuration_is_kept_as_far_as_it_goes() -> None:
    circle: dict[str, Any] = {}
    circle["self"] = circle
    config = RunConfig(
        {"nan": float("nan"), "object": object(), 3: "three", "nul\0": "\ud800", "circle": circle, "big": 2**70}
    )
    kept = config.to_json()
    assert (kept["nan"], kept["3"], kept["nul\N{REPLACEMENT CHARACTER}"], kept["big"]) == ("nan", "three", "?", 2**70)
    assert (config["nan"] != config["nan"], config["3"]) == (True, "three")
    assert RunConfig(7).to_json() == {"config": 7}
    assert RunConfig(dict.fromkeys(map(str, range(5000)), 1)).to_json().keys() >= {"0", "999"}


def test_changes_are_told_in_words() -> None:
    assert describe_changes({"a": 1}, {"a": 1}) == ""
    many = {str(place): place for place in range(MAX_CHANGES + 5)}
    assert describe_changes({}, many).endswith(", and 5 more")
    assert len(describe_changes({"x": "a" * 10_000}, {"x": "b" * 10_000})) < 300


def test_a_copy_belongs_to_no_run() -> None:
    told: list[Any] = []
    config = RunConfig({"layers": [8]}, lambda before, after: told.append(after))
    for other in (copy.copy(config), copy.deepcopy(config), pickle.loads(pickle.dumps(config))):  # noqa: S301
        assert dict(other) == {"layers": [8]}
        other.update(rate=1)
    assert (told, dict(config)) == ([], {"layers": [8]})
