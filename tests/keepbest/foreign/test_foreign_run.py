"""Tests for the shape of a foreign run."""

from __future__ import annotations

import numpy as np

from keepbest.foreign.foreign_run import ForeignRun, Points


def test_parts_can_be_read_again() -> None:
    points = Points("loss", np.arange(3), np.zeros(3), np.zeros(3))
    run = ForeignRun("json", "a.json", name="a", parts=lambda: iter([points]))
    assert [list(run.parts()) for _ in range(2)] == [[points], [points]]
    assert len(points) == 3
    assert run.left_out() == ()
