"""Checkpoints: the training state on disk, content-addressed, with a manifest and a digest for every variable."""

from keepbest.checkpoint.load import Loaded
from keepbest.checkpoint.manifest import Manifest
from keepbest.checkpoint.plan import Plan
from keepbest.checkpoint.store import About, Store, Written
from keepbest.checkpoint.writer import Writer

__all__ = ["About", "Loaded", "Manifest", "Plan", "Store", "Writer", "Written"]
