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
    from keepbest.tracking.wandb import plots as plot  # noqa: F401
    from keepbest.tracking.wandb.alerts import AlertLevel as AlertLevel
    from keepbest.tracking.wandb.artifact import Artifact as Artifact
    from keepbest.tracking.wandb.calls import alert as alert
    from keepbest.tracking.wandb.calls import define_metric as define_metric
    from keepbest.tracking.wandb.calls import finish as finish
    from keepbest.tracking.wandb.calls import log as log
    from keepbest.tracking.wandb.calls import log_artifact as log_artifact
    from keepbest.tracking.wandb.calls import login as login
    from keepbest.tracking.wandb.calls import mark_preempting as mark_preempting
    from keepbest.tracking.wandb.calls import save as save
    from keepbest.tracking.wandb.calls import unwatch as unwatch
    from keepbest.tracking.wandb.calls import util as util
    from keepbest.tracking.wandb.calls import watch as watch
    from keepbest.tracking.wandb.data_types import Audio as Audio
    from keepbest.tracking.wandb.data_types import Histogram as Histogram
    from keepbest.tracking.wandb.data_types import Html as Html
    from keepbest.tracking.wandb.data_types import Image as Image
    from keepbest.tracking.wandb.data_types import Molecule as Molecule
    from keepbest.tracking.wandb.data_types import Object3D as Object3D
    from keepbest.tracking.wandb.data_types import Table as Table
    from keepbest.tracking.wandb.data_types import Video as Video
    from keepbest.tracking.wandb.run_config import RunConfig
    from keepbest.tracking.wandb.run_summary import RunSummary
    from keepbest.training.spec import Training

    __version__: str
    run: Run | None
    config: RunConfig
    summary: RunSummary

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
    "keepbest.tracking.wandb.alerts": ("AlertLevel",),
    "keepbest.tracking.wandb.artifact": ("Artifact",),
    "keepbest.tracking.wandb.calls": (
        "alert",
        "define_metric",
        "finish",
        "log",
        "log_artifact",
        "login",
        "mark_preempting",
        "save",
        "unwatch",
        "util",
        "watch",
    ),
    "keepbest.tracking.wandb.data_types": (
        "Audio",
        "Histogram",
        "Html",
        "Image",
        "Molecule",
        "Object3D",
        "Table",
        "Video",
    ),
    "keepbest.tf1.session": ("Session",),
    "keepbest.training.spec": ("Training",),
}
#: What W&B calls our errors, and its charts.
_OTHER_NAMES = {
    "Error": ("keepbest.errors", "KeepbestError"),
    "CommError": ("keepbest.errors", "Unreachable"),
    "UsageError": ("keepbest.errors", "InvalidInput"),
}
#: What is looked up at each use: it is another one for each run.
_OF_THE_RUN = {"run": "find_run", "config": "find_config", "summary": "find_summary"}
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
    if name in _OF_THE_RUN:
        return getattr(import_module("keepbest.tracking.wandb.calls"), _OF_THE_RUN[name])()
    if name == "plot":
        return import_module("keepbest.tracking.wandb.plots")
    home, own = _OTHER_NAMES.get(name) or (_HOME_OF.get(name), name)
    if home is None:
        return import_module("keepbest.tracking.wandb.absent").find_absent(name, [*__all__, *_HOME_OF, *_OF_THE_RUN])
    value = getattr(import_module(home), own)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
