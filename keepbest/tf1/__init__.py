"""For `tf.compat.v1` graphs and sessions: keep the best in memory, roll back, checkpoint, and take over old files."""

from keepbest.tf1.saver import import_saver
from keepbest.tf1.session import Session

__all__ = ["Session", "import_saver"]
