"""Train Keras models, keep the best one, stop when nothing improves, go back to the best moment at any time.

Python loads a public name at its first use, so `import keepbest` costs a training script nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keepbest.checkpoint.checkpoint import Checkpoint
    from keepbest.checkpoint.restore import checkpoints, plan_restore, restore
    from keepbest.client.artifacts import use_artifact
    from keepbest.client.client import Client
    from keepbest.client.found_runs import runs
    from keepbest.errors import (
        Busy,
        CheckpointDamaged,
        CheckpointError,
        CheckpointMismatch,
        Conflict,
        InvalidInput,
        KeepbestError,
        LeaseLost,
        NotAllowed,
        NotAuthenticated,
        NotFound,
        PolicyError,
        TrainingError,
        Unreachable,
    )
    from keepbest.keras import KeepBest
    from keepbest.loop import Loop
    from keepbest.tf1.session import Session
    from keepbest.tracking.init import init
    from keepbest.tracking.run import Run
    from keepbest.training.spec import Training

    __version__: str

_HOMES = {
    "keepbest.checkpoint.checkpoint": ("Checkpoint",),
    "keepbest.checkpoint.restore": ("checkpoints", "plan_restore", "restore"),
    "keepbest.client.artifacts": ("use_artifact",),
    "keepbest.client.client": ("Client",),
    "keepbest.client.found_runs": ("runs",),
    "keepbest.errors": (
        "Busy",
        "CheckpointDamaged",
        "CheckpointError",
        "CheckpointMismatch",
        "Conflict",
        "InvalidInput",
        "KeepbestError",
        "LeaseLost",
        "NotAllowed",
        "NotAuthenticated",
        "NotFound",
        "PolicyError",
        "TrainingError",
        "Unreachable",
    ),
    "keepbest.keras": ("KeepBest",),
    "keepbest.loop": ("Loop",),
    "keepbest.tracking.run": ("Run",),
    "keepbest.tracking.init": ("init",),
    "keepbest.tf1.session": ("Session",),
    "keepbest.training.spec": ("Training",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Busy",
    "Checkpoint",
    "CheckpointDamaged",
    "CheckpointError",
    "CheckpointMismatch",
    "Client",
    "Conflict",
    "InvalidInput",
    "KeepBest",
    "KeepbestError",
    "LeaseLost",
    "Loop",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "PolicyError",
    "Run",
    "Session",
    "Training",
    "TrainingError",
    "Unreachable",
    "checkpoints",
    "init",
    "plan_restore",
    "restore",
    "runs",
    "use_artifact",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("keepbest.settings").VERSION
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'keepbest' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
