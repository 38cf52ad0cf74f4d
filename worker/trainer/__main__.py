"""`python -m worker.trainer <run folder>`: trains the run of the folder, tied to its agent by standard input.

Without a folder it imports what it will need and waits until its agent names one (`worker.executors.standby`).
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
from keepbest.contract.runs import CodeSource, RecipeSource
from keepbest.provenance.describe import find_own_folder
from keepbest.settings import load
from keepbest.tracking.observer import observe
from keepbest.tracking.process import heartbeat
from worker.run_folder import RunFolder
from worker.trainer import agent_pipe
from worker.trainer.import_tensorflow import find_devices, import_tensorflow

#: The timeout of requests. One thread both journals and sends, and a tracker that hangs must not delay it for long.
REQUEST_SECONDS = 5.0
#: The most output of the imports that goes into a run's log.
_OUTPUT_BYTES = 64 * 1024


def main(path: str | None = None) -> int:
    """Train; return an exit code of `worker.child_process`."""
    agent = agent_pipe.tie()
    faulthandler.enable()  # prints to the run's log where Python was when a native library crashed
    faulthandler.register(signal.SIGUSR1)  # prints where Python stands, when the agent misses signs of life
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stdout)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # the uploader logs once that the tracker is away
    folder, token = (RunFolder(Path(path)), agent.read()) if path else _wait(agent)
    import_tensorflow()
    from worker.trainer.trainer import Trainer  # imports Keras, which must come after `tie` and `import_tensorflow`

    find_devices()
    job = folder.get_job()
    trainer = Trainer(folder, job, Client(job.url, token, timeout_seconds=REQUEST_SECONDS, retries=0))
    source = job.assignment.run.spec.source
    is_recipe = isinstance(source, RecipeSource)
    git = source.git if isinstance(source, CodeSource) else None
    observe(trainer.run, load(), code=find_own_folder() if is_recipe else None, git=git)

    def leave(number: int, frame: FrameType | None) -> None:
        """Hand the run back at the next batch, or at once if training has not begun."""
        trainer.hand_back.set()
        if not trainer.is_training:
            raise agent_pipe.HandedBack

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return trainer.train()


def _wait(agent: agent_pipe.Lifeline) -> tuple[RunFolder, str]:
    """Import what every run needs, without touching a device, since the run is not known yet. Then wait."""
    try:
        import_tensorflow()
        import worker.trainer.trainer  # noqa: F401
    except Exception:
        if line := agent.hang_up():  # the agent has named a run, whose log must hold the error
            _enter(line)
        raise
    return _enter(agent.read())


def _enter(line: str) -> tuple[RunFolder, str]:
    """Enter the run's folder as if started for it, with the output so far first in its output file."""
    path, token = agent_pipe.unpack(line)
    folder = RunFolder(path)
    os.chdir(path)
    sys.argv[1:] = [str(path)]
    text = os.pread(1, _OUTPUT_BYTES, 0)
    heartbeat.write(folder.path, heartbeat.Sign(0, heartbeat.Phase.STEADY))  # the agent waits for this
    with folder.output.open("ab") as output:
        os.write(output.fileno(), text)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    return folder, token


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # TensorFlow's own threads would take seconds to end, with nothing left to do
