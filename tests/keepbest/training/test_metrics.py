"""Metrics as people have them: which number of a log is which, and what is said of one that does not come."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from keepbest.errors import InvalidInput
from keepbest.training.metrics import MAX_PARTS, PATIENT_EPOCHS, Monitored, flatten


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0.5, 0.5),
        (2, 2.0),
        (True, 1.0),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.array(0.5), 0.5),
        (np.array([[0.5]]), 0.5),
        ([0.5], 0.5),
        (Decimal("0.5"), 0.5),
    ],
)
def test_a_number_is_a_number_whoever_made_it(value: Any, number: float) -> None:
    flat = flatten({"f1": value})
    assert flat == {"f1": number}
    assert type(flat["f1"]) is float


def test_tensors_of_any_precision_are_numbers() -> None:
    import tensorflow as tf

    logs = {"one": tf.constant(0.5), "half": tf.constant(0.5, tf.bfloat16), "many": tf.constant([1, 2])}
    assert flatten(logs) == {"one": 0.5, "half": 0.5, "many[0]": 1.0, "many[1]": 2.0, "many[mean]": 1.5}


def test_a_vector_becomes_its_parts_and_their_mean() -> None:
    assert flatten({"f1": np.array([0.25, 0.75])}) == {"f1[0]": 0.25, "f1[1]": 0.75, "f1[mean]": 0.5}
    assert flatten({"cm": np.array([[1, 2], [3, 4]])})["cm[1,0]"] == 3.0
    assert math.isnan(flatten({"f1": [0.5, float("nan")]})["f1[mean]"])


@pytest.mark.parametrize("value", ["high", None, np.array([]), np.zeros(MAX_PARTS + 1), object(), 1j, {"a": 1}])
def test_what_is_no_number_stays_what_it_is(value: Any) -> None:
    assert flatten({"f1": value})["f1"] is value


@pytest.mark.parametrize(
    ("value", "said"),
    [(np.zeros((3,)), r"of shape \(3,\)"), (np.zeros((2, 3)), r"of shape \(2, 3\)"), ("high", "not a number")],
)
def test_what_cannot_be_judged_is_an_error(value: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Monitored("val_f1").read({"val_f1": value}, was_validated=True)


def missed(epochs: list[tuple[dict[str, Any], bool]], caplog: pytest.LogCaptureFixture) -> list[int]:
    """Return after which epochs a warning came."""
    monitored, said = Monitored("val_f1"), []
    for number, (logs, was_validated) in enumerate(epochs, 1):
        before = len(caplog.records)
        monitored.read(logs, was_validated=was_validated)
        said.extend([number] * (len(caplog.records) - before))
    return said


def test_a_metric_that_stays_away_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    there, away = ({"val_f1": 0.5}, True), ({"val_loss": 1.0}, True)
    assert missed([there, away, away, there, away], caplog) == [2, 5]


def test_epochs_without_validation_may_be_a_frequency(caplog: pytest.LogCaptureFixture) -> None:
    quiet: tuple[dict[str, Any], bool] = ({"loss": 1.0}, False)
    assert missed([quiet] * (PATIENT_EPOCHS - 1) + [({"val_f1": 0.5}, False)], caplog) == []
    assert missed([quiet] * (PATIENT_EPOCHS + 5), caplog) == [PATIENT_EPOCHS]
