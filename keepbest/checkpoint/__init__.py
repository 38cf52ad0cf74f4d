"""Checkpoints: the training state on disk, content-addressed, with a manifest and a digest for every variable."""

from keepbest.checkpoint.entry import Checkpoint
from keepbest.checkpoint.export import FORMATS, export
from keepbest.checkpoint.load import Loaded
from keepbest.checkpoint.manifest import Manifest
from keepbest.checkpoint.plan import Plan
from keepbest.checkpoint.restore import checkpoints, choose, plan_restore, restore
from keepbest.checkpoint.store import About, Store, Written
from keepbest.checkpoint.writer import Writer

__all__ = [
    "FORMATS",
    "About",
    "Checkpoint",
    "Loaded",
    "Manifest",
    "Plan",
    "Store",
    "Writer",
    "Written",
    "checkpoints",
    "choose",
    "export",
    "plan_restore",
    "restore",
]
