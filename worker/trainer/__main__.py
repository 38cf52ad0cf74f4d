"""`python -m worker.trainer <run folder>`: tied to its agent by standard input, it trains what the folder says."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from keepbest.client import Client
from worker.folder import RunFolder
from worker.trainer import lifeline
from worker.trainer.quiet import import_tensorflow

#: One thread both journals and sends: a tracker that hangs must not hold it for long.
REQUEST_SECONDS = 5.0


def main(path: str) -> int:
    """Train; return the exit code that `worker.supervisor` knows."""
    token = lifeline.tie()
    faulthandler.enable()  # where Python was when a native library crashed: for the run's log
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stdout)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # that the tracker is away is said once, by the reporter
    import_tensorflow()
    from worker.trainer.trainer import Trainer  # it imports Keras: only once that is tied and quiet

    folder = RunFolder(Path(path))
    job = folder.get_job()
    trainer = Trainer(folder, job, Client(job.url, token, timeout_seconds=REQUEST_SECONDS, retries=0))

    def leave(number: int, frame: FrameType | None) -> None:
        """Hand back at the next batch; while nothing is trained yet, at once."""
        trainer.hand_back.set()
        if not trainer.is_training:
            raise lifeline.HandedBack

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return trainer.train()


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # TensorFlow's own threads take seconds to end, and have nothing left to do
