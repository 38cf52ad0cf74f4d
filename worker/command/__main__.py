"""`python -m worker.command <run folder>`: tied to its agent by standard input, it runs the command in the folder."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from worker.command.command import UserCommand
from worker.run_folder import RunFolder
from worker.trainer.agent_pipe import tie


def main(path: str) -> int:
    """Run the command to its end; return the exit code that `worker.child_process` knows."""
    token = tie(by_kernel=False).read()  # killed first, we could not take the command along
    logging.basicConfig(format="keepbest: %(message)s", level=logging.WARNING, stream=sys.stdout)
    folder = RunFolder(Path(path))
    return UserCommand(folder, folder.get_job(), token).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
