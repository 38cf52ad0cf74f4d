"""Train Keras models, keep the best one, stop when nothing improves, go back to the best moment at any time.

The public names are loaded on first use: `import keepbest` costs a training script nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keepbest.checkpoint.restore import plan_restore, restore
    from keepbest.client import Client
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
    from keepbest.runs.run import Run
    from keepbest.runs.start import init
    from keepbest.session.session import Session
    from keepbest.training import Training

    __version__: str

_HOMES = {
    "keepbest.checkpoint.restore": ("plan_restore", "restore"),
    "keepbest.client": ("Client",),
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
    "keepbest.runs.run": ("Run",),
    "keepbest.runs.start": ("init",),
    "keepbest.session.session": ("Session",),
    "keepbest.training": ("Training",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Busy",
    "CheckpointDamaged",
    "CheckpointError",
    "CheckpointMismatch",
    "Client",
    "Conflict",
    "InvalidInput",
    "KeepBest",
    "KeepbestError",
    "LeaseLost",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "PolicyError",
    "Run",
    "Session",
    "Training",
    "TrainingError",
    "Unreachable",
    "init",
    "plan_restore",
    "restore",
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
