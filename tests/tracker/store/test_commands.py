"""Commands: requested, acknowledged, done; refused where nobody could obey."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import Connection, update

from keepbest.contract.base import new_id
from keepbest.contract.batches import CommandUpdate
from keepbest.contract.commands import Command, CommandRequest
from keepbest.errors import Conflict, InvalidInput, KeepbestError, NotFound
from tests.support.store import NOW, add_checkpoint, begin, claim, kinds, later, release, submit
from tracker.models import RunTable
from tracker.store import commands, runs
from tracker.store.runs import RunRow


@pytest.fixture
def run(conn: Connection) -> RunRow:
    """A run that trains, at step 500, with a best."""
    submit(conn)
    begun = begin(conn, claim(conn))
    conn.execute(update(RunTable).where(RunTable.pk == begun.pk).values(step=500, best_step=300, best_value=0.9))
    return runs.get_run(conn, begun.id)


def ask(conn: Connection, run: RunRow, **asked: Any) -> Command:
    request = TypeAdapter[CommandRequest](CommandRequest).validate_python(asked)
    return commands.request_command(conn, run, request, user="ada", now=NOW)


def say(conn: Connection, run: RunRow, command: str, state: str, seconds: float = 1, **said: Any) -> None:
    update = CommandUpdate.model_validate({"id": command, "state": state, "at": later(seconds), **said})
    commands.update_command(conn, run, update, later(seconds))


def test_each_state_of_a_command_has_its_time(conn: Connection, run: RunRow) -> None:
    asked = ask(conn, run, kind="roll_back", step=200, reset_patience=True)
    assert (asked.state, asked.requested_by, asked.run) == ("requested", "ada", run.id)
    assert asked.arguments == {"step": 200, "reset_patience": True}
    say(conn, run, asked.id, "acknowledged", 1)
    say(conn, run, asked.id, "done", 2, message="back at 200", result={"step": 200})
    (done,) = commands.list_commands(conn, run.pk)
    assert (done.state, done.acknowledged_at, done.done_at) == ("done", later(1), later(2))
    assert (done.message, done.result) == ("back at 200", {"step": 200})
    assert commands.open_commands(conn, run.pk) == []
    assert kinds(conn, run)[-3:] == ["command.state"] * 3


def test_what_is_said_again_or_late_changes_nothing(conn: Connection, run: RunRow) -> None:
    asked = ask(conn, run, kind="stop")
    for state in ("done", "acknowledged", "done", "refused"):
        say(conn, run, asked.id, state)
    assert commands.list_commands(conn, run.pk)[0].state == "done"
    assert kinds(conn, run).count("command.state") == 2


def test_nobody_speaks_for_another_runs_command(conn: Connection, run: RunRow) -> None:
    asked = ask(conn, run, kind="stop")
    say(conn, submit(conn), asked.id, "done")
    say(conn, run, new_id(), "done")
    assert commands.open_commands(conn, run.pk) == [asked]


@pytest.mark.parametrize("kind", ["stop", "cancel"])
def test_an_end_asked_for_twice_is_one_command(conn: Connection, run: RunRow, kind: str) -> None:
    assert ask(conn, run, kind=kind).id == ask(conn, run, kind=kind).id


def test_roll_backs_queue_up_in_order_and_not_for_ever(conn: Connection, run: RunRow) -> None:
    ids = [ask(conn, run, kind="roll_back", step=step).id for step in range(commands.MAX_OPEN)]
    assert [command.id for command in commands.open_commands(conn, run.pk)] == ids
    with pytest.raises(Conflict, match="open commands"):
        ask(conn, run, kind="checkpoint")


def test_a_roll_back_without_a_target_goes_to_the_best(conn: Connection, run: RunRow) -> None:
    assert ask(conn, run, kind="roll_back").arguments == {"to": "best", "reset_patience": False}


BAD: list[tuple[dict[str, Any], type[KeepbestError], str]] = [
    ({"to": "best", "step": 3}, InvalidInput, "step"),
    ({"step": 501}, InvalidInput, "step"),
    ({"checkpoint": "0" * 12}, NotFound, "checkpoint"),
    ({"step": 200, "max_steps": 200}, InvalidInput, "max_steps"),
    ({"to": "best", "max_steps": 299}, InvalidInput, "max_steps"),
]


@pytest.mark.parametrize(("asked", "error", "field"), BAD)
def test_a_roll_back_to_nowhere_is_refused(
    conn: Connection, run: RunRow, asked: dict[str, Any], error: type[KeepbestError], field: str
) -> None:
    with pytest.raises(error) as raised:
        ask(conn, run, kind="roll_back", **asked)
    assert raised.value.field == field


def test_a_roll_back_needs_a_checkpoint_of_this_very_run(conn: Connection, run: RunRow) -> None:
    mine, other = add_checkpoint(conn, run, step=100), add_checkpoint(conn, submit(conn), step=100)
    changes = {"learning_rate": "0.1x", "max_steps": 101}
    asked = ask(conn, run, kind="roll_back", checkpoint=mine, **changes).arguments
    assert asked == {"checkpoint": mine, "reset_patience": False, **changes}
    with pytest.raises(InvalidInput, match="begins at step 100"):
        ask(conn, run, kind="roll_back", checkpoint=mine, max_steps=100)
    with pytest.raises(NotFound, match="is not one of run"):
        ask(conn, run, kind="roll_back", checkpoint=other)


@pytest.mark.parametrize("kind", ["stop", "roll_back", "checkpoint"])
def test_a_queued_run_obeys_nothing_but_cancel(conn: Connection, kind: str) -> None:
    queued = submit(conn)
    with pytest.raises(Conflict) as raised:
        ask(conn, queued, kind=kind)
    assert "keepbest cancel" in (raised.value.hint or "")


def test_a_queued_run_is_cancelled_at_once(conn: Connection) -> None:
    queued = submit(conn)
    assert ask(conn, queued, kind="cancel").state == "done"
    ended = runs.get_run(conn, queued.id)
    assert (ended.state, ended.stop_reason, ended.stop_message) == ("cancelled", "user", "cancelled by ada")


def test_a_run_that_ended_obeys_nothing(conn: Connection) -> None:
    submit(conn)
    ended = release(conn, claim(conn), "finished")
    for kind in ("stop", "cancel", "roll_back", "checkpoint"):
        with pytest.raises(Conflict, match="takes no more commands"):
            ask(conn, ended, kind=kind)


def test_cancelling_twice_is_once(conn: Connection) -> None:
    queued = submit(conn)
    first = commands.cancel_run(conn, queued, user="ada", now=NOW)
    assert commands.cancel_run(conn, first, user="ada", now=NOW).state == "cancelled"
    assert len(commands.list_commands(conn, queued.pk)) == 1


def test_the_end_of_a_run_closes_what_is_open(conn: Connection) -> None:
    submit(conn)
    begun = begin(conn, taken := claim(conn))
    for kind in ("checkpoint", "cancel"):
        ask(conn, begun, kind=kind)
    release(conn, taken, "cancelled")
    assert [command.state for command in commands.list_commands(conn, begun.pk)] == ["expired", "done"]


def test_a_crash_leaves_commands_for_the_next_trainer(conn: Connection) -> None:
    submit(conn)
    begun = begin(conn, taken := claim(conn))
    asked = ask(conn, begun, kind="stop")
    release(conn, taken, "crashed")
    claim(conn)
    assert commands.open_commands(conn, begun.pk) == [asked]
