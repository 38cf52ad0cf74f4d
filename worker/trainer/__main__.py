"""`python -m worker.trainer <run folder>`: tied to its agent by standard input, it trains what the folder says.

Without a folder it imports all that it will need and waits until its agent names one (`worker.executors.standby`).
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from keepbest.client.client import Client
from keepbest.tracking.process import heartbeat
from worker.run_folder import RunFolder
from worker.trainer import agent_pipe
from worker.trainer.import_tensorflow import find_devices, import_tensorflow

#: One thread both journals and sends: a tracker that hangs must not hold it for long.
REQUEST_SECONDS = 5.0
#: What imports say is a few lines; of more than this the rest is not worth a run's log.
_SAID_BYTES = 64 * 1024


def main(path: str | None = None) -> int:
    """Train; return the exit code that `worker.child_process` knows."""
    agent = agent_pipe.tie()
    faulthandler.enable()  # where Python was when a native library crashed: for the run's log
    faulthandler.register(signal.SIGUSR1)  # and where it stands, when the agent hears nothing any more
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stdout)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # that the tracker is away is said once, by the uploader
    folder, token = (RunFolder(Path(path)), agent.read()) if path else _wait(agent)
    import_tensorflow()
    from worker.trainer.trainer import Trainer  # it imports Keras: only once that is tied and quiet

    find_devices()
    job = folder.get_job()
    trainer = Trainer(folder, job, Client(job.url, token, timeout_seconds=REQUEST_SECONDS, retries=0))

    def leave(number: int, frame: FrameType | None) -> None:
        """Hand back at the next batch; while nothing is trained yet, at once."""
        trainer.hand_back.set()
        if not trainer.is_training:
            raise agent_pipe.HandedBack

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return trainer.train()


def _wait(agent: agent_pipe.Lifeline) -> tuple[RunFolder, str]:
    """Import what every run needs, and no more: nothing of a run is known yet, no device is touched. Then wait."""
    try:
        import_tensorflow()
        import worker.trainer.trainer  # noqa: F401
    except Exception:
        if line := agent.hang_up():  # it has a run already, whose log must say why
            _enter(line)
        raise
    return _enter(agent.read())


def _enter(line: str) -> tuple[RunFolder, str]:
    """Stand where a trainer that was started for the run's folder stands, what was said so far first in its output."""
    path, token = agent_pipe.unpack(line)
    folder = RunFolder(path)
    os.chdir(path)
    sys.argv[1:] = [str(path)]
    pread = os.pread(1, _SAID_BYTES, 0)
    heartbeat.write(folder.path, heartbeat.Sign(0, heartbeat.Phase.STEADY))  # what the agent waits for
    with folder.output.open("ab") as output:
        os.write(output.fileno(), pread)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    return folder, token


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # TensorFlow's own threads take seconds to end, and have nothing left to do
