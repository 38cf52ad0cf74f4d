"""One of the five trainings of docs/explanation/recovery.md: without `recover` it ends broken, with it it learns."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

pytest.importorskip("keras", reason="needs TensorFlow: make install")

from tests.tutorials.recoveries import EPOCH, FIVE, train


def test_a_poisoned_batch_ends_one_training_and_not_the_other() -> None:
    poison = replace(next(item for item in FIVE if item.name == "poison"), epochs=6)

    without, with_it = train(poison, "max_steps(9999)"), train(poison, poison.rule)

    assert math.isnan(without.loss)
    assert with_it.accuracy > 0.9
    assert with_it.recoveries == [(203, 200)]
    assert with_it.digests[:202] == without.digests[:202]
    assert len(with_it.digests) == 6 * EPOCH
