"""Commands to a living run: requested -> acknowledged -> done."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from keepbest.contract.batches import CommandUpdate
from keepbest.contract.commands import Command, CommandRequest
from tracker.store.runs import RunRow


def request_command(conn: Connection, run: RunRow, asked: CommandRequest, *, user: str, now: datetime) -> Command:
    raise NotImplementedError


def update_command(conn: Connection, run: RunRow, said: CommandUpdate, now: datetime) -> None:
    """Take what a trainer says of a command; an update that comes again, or late, changes nothing."""
    raise NotImplementedError


def open_commands(conn: Connection, run_pk: int) -> list[Command]:
    """Return the commands still to be obeyed, oldest first."""
    raise NotImplementedError


def expire_commands(conn: Connection, run: RunRow, now: datetime) -> None:
    """Close what is open when the run ends: nobody is left to obey."""
    raise NotImplementedError
