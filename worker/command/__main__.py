"""`python -m worker.command <run folder>`: runs the command of the folder, tied to its agent by standard input."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from worker.command.command import UserCommand
from worker.run_folder import RunFolder
from worker.trainer.agent_pipe import tie


def main(path: str) -> int:
    """Run the command to its end; return an exit code of `worker.child_process`."""
    token = tie(by_kernel=False).read()  # if the kernel killed this process, the command would live on
    logging.basicConfig(format="keepbest: %(message)s", level=logging.WARNING, stream=sys.stdout)
    folder = RunFolder(Path(path))
    return UserCommand(folder, folder.get_job(), token).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
