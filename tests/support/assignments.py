"""Assignments as a tracker would make them, for tests without a tracker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from keepbest.contract.base import new_id
from keepbest.contract.policies import PolicySpec, RetentionSpec
from keepbest.contract.runs import Mode, RecipeSource, Run, RunSpec
from keepbest.contract.workers import Assignment, Lease
from keepbest.status import RunState
from worker.run_folder import TrainerJob

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def make_spec(**changed: Any) -> RunSpec:
    given: dict[str, Any] = {
        "name": "test",
        "source": RecipeSource(name="hvass-cnn"),
        "monitor": "val_accuracy",
        "mode": Mode.MAX,
        "stopper": PolicySpec(name="patience", params={"checks": 3}),
        "retention": RetentionSpec(),
        "validate_every": 10,
    }
    return RunSpec(**given | changed)


def make_assignment(*, lease_seconds: float = 30.0, **changed: Any) -> Assignment:
    spec = make_spec(**changed)
    run = Run(
        id=new_id(),
        project="default",
        number=1,
        name=spec.name,
        state=RunState.LEASED,
        spec=spec,
        mode=spec.mode,
        created_by="me",
        created_at=NOW,
        updated_at=NOW,
    )
    lease = Lease(token="lease-token", expires_at=NOW + timedelta(seconds=lease_seconds), lease_seconds=lease_seconds)
    return Assignment(run=run, lease=lease, attempt=1, next_segment=0)


def make_job(folder: Path, **changed: Any) -> TrainerJob:
    return TrainerJob(assignment=make_assignment(**changed), url="http://127.0.0.1:1", store=folder / "store")
