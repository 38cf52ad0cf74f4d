"""The commands to a living run, and the run's answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Literal

from keepbest.contract.batches import CommandUpdate
from keepbest.contract.commands import Command
from keepbest.journal.records import fit
from keepbest.journal.values import clean
from keepbest.status import CommandKind
from keepbest.stopping import Decision
from keepbest.tracking.recorder import Recorder, now

MAX_ANSWER = 2_000


class Commands:
    """The received commands, oldest first; the uploader's thread puts them into `queue`.

    `on_listen` is called once, when the script first asks for commands. If `are_cancels_left`, the worker ends the
    process of a cancelled run, and `take` leaves out the command to cancel.
    """

    def __init__(
        self,
        queue: deque[Command],
        recorder: Recorder,
        *,
        on_listen: Callable[[], None] | None = None,
        are_cancels_left: bool = False,
    ) -> None:
        self._queue = queue
        self._recorder = recorder
        self._on_listen = on_listen
        self._are_cancels_left = are_cancels_left
        #: Whether a command to cancel was obeyed.
        self.is_cancelled = False

    def __len__(self) -> int:
        """Return how many commands wait; cheap enough for every batch."""
        if self._on_listen is not None:
            on_listen, self._on_listen = self._on_listen, None
            on_listen()
        return len(self._queue)

    def take(self) -> list[Command]:
        """Return the commands since the last call, oldest first; each is returned once."""
        taken = [self._queue.popleft() for _ in range(len(self))]
        return [command for command in taken if command.kind is not CommandKind.CANCEL or not self._are_cancels_left]

    def answer(
        self,
        command: Command,
        state: Literal["acknowledged", "done", "refused"],
        message: str = "",
        result: Any = None,
    ) -> None:
        """Report the outcome of a command to the tracker at once."""
        self.is_cancelled |= command.kind is CommandKind.CANCEL and state == "done"
        fields = {"state": state, "message": clean(message)[:MAX_ANSWER], "result": result}
        self._recorder.say(fit(CommandUpdate, id=command.id, at=now(), **fields))
        self._recorder.send_now()

    def find_stop(self, decision: Decision) -> Decision | None:
        """Return `decision` with the stop that a command requests, or None without such a command.

        Other commands are refused: a script that keeps no snapshots cannot obey them.
        """
        stopped: Decision | None = None
        for command in self.take():
            if command.kind in (CommandKind.STOP, CommandKind.CANCEL):
                self.answer(command, "done", "Stopped at this validation.")
                stopped = stopped_by(command, stopped or decision)
            else:
                self.answer(command, "refused", "This script keeps no snapshots; keepbest.Loop and KeepBest do.")
        return stopped


def stopped_by(command: Command, decision: Decision) -> Decision:
    """Return the decision with the stop that a person or a rule of the project requested."""
    message = f"Stop at step {decision.at_step}: {command.why}."
    fields = {"stop": True, "reason": command.stop_reason.value, "message": message}
    return Decision.from_json({**decision.to_json(), **fields})
