"""Taking checkpoints out of a store: one is chosen, its network is built again, its values are put back or exported."""

from keepbest.restoration.checkpoint import Checkpoint
from keepbest.restoration.export import FORMATS, export
from keepbest.restoration.restore import checkpoints, choose, plan_restore, restore

__all__ = ["FORMATS", "Checkpoint", "checkpoints", "choose", "export", "plan_restore", "restore"]
