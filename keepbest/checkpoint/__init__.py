"""Checkpoints: the training state on disk, content-addressed, with a manifest and a digest for every variable."""

from keepbest.checkpoint.load import Loaded
from keepbest.checkpoint.manifest import Manifest
from keepbest.checkpoint.plan import RestorePlan
from keepbest.checkpoint.store import CheckpointInfo, Store, Written
from keepbest.checkpoint.writer import CheckpointWriter

__all__ = ["CheckpointInfo", "CheckpointWriter", "Loaded", "Manifest", "RestorePlan", "Store", "Written"]
