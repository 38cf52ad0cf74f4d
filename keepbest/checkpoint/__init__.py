"""Checkpoints: the training state on disk, content-addressed, with a manifest and a digest for every variable."""

from keepbest.checkpoint.checkpoint import Checkpoint
from keepbest.checkpoint.export import FORMATS, export
from keepbest.checkpoint.load import Loaded
from keepbest.checkpoint.manifest import Manifest
from keepbest.checkpoint.plan import RestorePlan
from keepbest.checkpoint.restore import checkpoints, choose, plan_restore, restore
from keepbest.checkpoint.store import CheckpointInfo, Store, Written
from keepbest.checkpoint.writer import CheckpointWriter

__all__ = [
    "FORMATS",
    "Checkpoint",
    "CheckpointInfo",
    "CheckpointWriter",
    "Loaded",
    "Manifest",
    "RestorePlan",
    "Store",
    "Written",
    "checkpoints",
    "choose",
    "export",
    "plan_restore",
    "restore",
]
