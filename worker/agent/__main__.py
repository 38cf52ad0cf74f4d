"""`python -m worker.agent`: reads the settings, handles signals, runs the agent."""

from __future__ import annotations

import logging
import os
import signal
import sys
from types import FrameType

from keepbest.client.client import Client
from keepbest.errors import KeepbestError
from worker import settings
from worker.agent.agent import Agent
from worker.executors.local import LocalExecutor
from worker.executors.standby import Standby

REQUEST_SECONDS = 10.0


def main() -> int:
    """Serve until SIGTERM or SIGINT; a second one ends the trainers at once."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # the agent itself logs that the tracker is away
    try:
        known = settings.load()
        client = Client(known.url, known.token or "", timeout_seconds=REQUEST_SECONDS)
        standby = Standby(known.environ) if known.standby else None
        agent = Agent(known, client, LocalExecutor(known.environ, known.token, standby))
        _obey_signals(agent)
        agent.run()
    except KeepbestError as error:
        print(error.message, *([error.hint] if error.hint else []), sep="\n", file=sys.stderr)
        return 1
    return 0


def _obey_signals(agent: Agent) -> None:
    def leave(number: int, frame: FrameType | None) -> None:
        for again in (signal.SIGTERM, signal.SIGINT):
            signal.signal(again, lambda *_: os._exit(128 + number))  # the trainers end with this process
        agent.leave()

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)


if __name__ == "__main__":
    sys.exit(main())
