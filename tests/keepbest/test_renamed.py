"""Names of earlier versions do nothing, and say what took their place."""

from __future__ import annotations

import pytest

from keepbest.stopping import Patience
from keepbest.tracking.run import Run
from keepbest.tracking.stopper import Stopper


def test_run_look() -> None:
    run = Run("0" * 12, Stopper(Patience(checks=2, mode="min").to_json(), "min"), monitor="loss")
    with pytest.raises(AttributeError, match=r"`look` is named `report_validation` now: call run.report_validation"):
        run.look(1, 0.5)  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="'Run' object has no attribute 'lok'"):
        run.lok  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(run, "look")
