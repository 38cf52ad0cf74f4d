"""A validation whose own losses are not finite counts as not finite, whatever its value: accuracy takes NaN for class
0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from keepbest.status import StopReason
from keepbest.stopping import CheckFinite, Patience, StoppingThreshold, Validation
from keepbest.stopping.best import find_best
from tests.support.watch import decisions_of

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"metrics": {"val_loss": NAN, "loss": 0.5}}, "its val_loss is nan"),
        ({"metrics": {"loss": INF, "val_loss": 0.5}}, "its loss is inf"),
        ({"metrics": {"val_loss": np.float32(NAN)}}, "its val_loss is nan"),
        ({"metrics": {"val_loss": np.array(NAN)}}, "its val_loss is nan"),
        ({"train": NAN}, "its training loss is nan"),
        ({"fault": "dense/kernel became NaN"}, "dense/kernel became NaN"),
        ({"metrics": {"loss": 0.5, "val_loss": 0.5}, "train": 0.5}, None),
        ({"metrics": {"other_loss": NAN}}, None),  # not the loss of the network
        ({"metrics": {"val_loss": np.array([NAN]), "loss": "nan"}}, None),  # no number
        ({"metrics": {"val_loss": None}}, None),
    ],
)
def test_what_makes_a_value_worth_nothing(said: dict[str, Any], fault: str | None) -> None:
    validation = Validation(7, 0.9, **said)
    assert (validation.faults, validation.is_admitted) == (((fault,), False) if fault else ((), True))
    assert math.isnan(validation.merit or 0.0) == (fault is not None)


def test_a_validation_without_a_finite_value_needs_no_fault() -> None:
    assert Validation(1, None, train=NAN).faults == Validation(1, NAN, train=NAN).faults == ()


def test_it_is_never_the_best_and_counts_for_patience() -> None:
    """90 % of the labels are class 0, and from the third validation on all weights are NaN."""
    validations = [
        Validation(1, 0.5),
        Validation(2, 0.6),
        *(Validation(step, 0.9, metrics={"val_loss": NAN}) for step in (3, 4, 5)),
    ]
    said = decisions_of(Patience(mode="max", checks=2), validations)
    assert [(one.best_step, one.improved, one.is_admitted, one.wait) for one in said[:4]] == [
        (1, True, True, 0), (2, True, True, 0), (2, False, False, 1), (2, False, False, 2),
    ]  # fmt: skip
    assert (said[3].stop, said[3].at_step) == (True, 4)
    assert "It cannot be the best: its val_loss is nan." in said[2].message
    assert (found := find_best(validations, "max")) is not None
    assert found.step == 2


def test_it_reaches_no_target_and_check_finite_stops_at_it() -> None:
    broken = Validation(1, 0.9, metrics={"val_loss": NAN})
    assert not decisions_of(StoppingThreshold(mode="max", threshold=0.8), [broken])[0].stop
    said = decisions_of(CheckFinite(mode="max"), [broken])[0]
    assert (said.stop, said.reason) == (True, StopReason.NON_FINITE)
    assert "its val_loss is nan" in said.message
