"""When a living run will end: the table that the pages pass too."""

from __future__ import annotations

import json
from typing import Any

import pytest

from keepbest.contract.base import iso
from keepbest.contract.runs import Run
from keepbest.outlook import describe_outlook, find_outlook
from tests.support.processes import ROOT
from tests.support.store import NOW

ROWS: list[dict[str, Any]] = json.loads((ROOT / "tests" / "support" / "outlooks.json").read_text(encoding="utf-8"))
SPEC: dict[str, Any] = {
    "name": "first",
    "source": {"kind": "external"},
    "monitor": "val_loss",
    "mode": "min",
    "stopper": {"name": "patience", "params": {"checks": 5}},
    "retention": {},
    "validate_every": 50,
    "max_steps": 1000,
}
#: Two seconds a step, a validation each 50 steps, just validated.
RUN: dict[str, Any] = {
    "id": "0" * 12, "project": "p", "number": 1, "name": "first", "state": "running", "mode": "min",
    "created_by": "ada", "created_at": iso(NOW), "updated_at": iso(NOW), "segment": 0, "step": 100,
    "last_validation_step": 100, "pace": {"segment": 0, "seconds_per_step": 2.0, "steps_per_validation": 50.0},
}  # fmt: skip


def make_run(changes: dict[str, Any]) -> Run:
    return Run.model_validate({**RUN, **changes, "spec": {**SPEC, **changes.get("spec", {})}})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: json.dumps(row["run"]))
def test_a_run_ends_when_the_pages_say(row: dict[str, Any]) -> None:
    run = make_run(row["run"])
    assert describe_outlook(run) == row["words"]
    outlook = find_outlook(run)
    known = (outlook.patience, outlook.limit) if outlook is not None else None
    assert known == ((row["patience"], row["limit"]) if "limit" in row else None)
