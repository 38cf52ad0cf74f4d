"""Where training goes on from: the checkpoint that a next attempt takes, and the one that a person names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import Connection

from keepbest.contract.checkpoints import Checkpoint, CheckpointState
from keepbest.contract.overrides import ResumePoint
from keepbest.errors import InvalidInput, NotFound
from tracker.store import checkpoints, last_steps
from tracker.store.runs import RunRow

_PLACES = ("to", "step", "checkpoint")


def find_resume(conn: Connection, run: RunRow) -> Checkpoint | None:
    """Return where the next attempt begins: as somebody said, else furthest along the living path."""
    return _find_resume(run, list_durable(conn, run))


def choose(conn: Connection, run: RunRow, asked: ResumePoint, usual: Literal["best", "last"]) -> Checkpoint | None:
    """Return the durable checkpoint that is meant; None where no place is named and nothing is durable.

    Raises InvalidInput for two places at once, NotFound, naming what there is, for one that is not there.
    """
    named = names_place(asked)
    durable = list_durable(conn, run)
    found = _find(run, asked, usual, durable)
    if found is None and (named or usual == "best"):
        raise _missing(run, asked, checkpoints.list_checkpoints(conn, run))
    return found


def names_place(asked: ResumePoint) -> bool:
    """Whether a place is named; raises InvalidInput for more than one."""
    named = [name for name in _PLACES if getattr(asked, name) is not None]
    if len(named) > 1:
        raise InvalidInput("Name one place: best or last, a step, or a checkpoint.", field=named[1])
    return bool(named)


def check_changes(asked: ResumePoint, run: RunRow, start: Checkpoint | None, steps_at_most: int | None) -> None:
    """Raise InvalidInput for overrides with which nothing would be trained, Conflict where more steps are needed."""
    if asked.learning_rate is not None and float(asked.learning_rate.removesuffix("x")) == 0:
        raise InvalidInput(
            "A learning rate of 0 trains nothing.", field="learning_rate", hint="For example 3e-5 or 0.1x."
        )
    if asked.learning_rate is not None and start is None:
        hint = f"Submit it anew with another one; this one is begun anew by `keepbest resume {run.id}`."
        raise InvalidInput(f"Run {run.id} has no checkpoint to change it at.", field="learning_rate", hint=hint)
    step = 0 if start is None else start.step
    if asked.max_steps is not None and asked.max_steps <= step:
        raise last_steps.need_more(step, asked.max_steps)
    if steps_at_most is not None and steps_at_most <= step:
        raise last_steps.need_steps(run, steps_at_most)


def list_durable(conn: Connection, run: RunRow) -> list[Checkpoint]:
    """Return the run's checkpoints that are on disk, oldest first, but for averages: training never came by there."""
    known = checkpoints.list_checkpoints(conn, run)
    return [one for one in known if one.state is CheckpointState.DURABLE and one.kind != checkpoints.MADE]


def _find(run: RunRow, asked: ResumePoint, usual: str, durable: Sequence[Checkpoint]) -> Checkpoint | None:
    if asked.checkpoint is not None:
        return next((one for one in durable if one.id == asked.checkpoint), None)
    if asked.step is not None:
        there = [one for one in durable if one.step == asked.step]
        return next((one for one in reversed(there) if not one.ghost), there[-1] if there else None)
    if (asked.to or usual) == "best":
        return next((one for one in durable if one.is_best), None)
    return _find_resume(run, durable)


def _find_resume(run: RunRow, durable: Sequence[Checkpoint]) -> Checkpoint | None:
    said = next((one for one in durable if one.id == run.start_checkpoint), None)
    # Of equal steps the newest, which comes last.
    return said or max((one for one in reversed(durable) if not one.ghost), key=lambda one: one.step, default=None)


def _missing(run: RunRow, asked: ResumePoint, known: Sequence[Checkpoint]) -> NotFound:
    gone = next((one for one in known if one.id == asked.checkpoint), None)
    if gone is not None and gone.kind == checkpoints.MADE:
        hint = f"Name a step, or the best; `keepbest restore {run.id}` gives the average."
        return NotFound(f"Nothing goes on from {gone.id}: it is an average of others.", field="checkpoint", hint=hint)
    if gone is not None:
        hint = f"While it lies in the trash, this brings it back: `keepbest checkpoints {run.id} --pin {gone.id}`."
        return NotFound(f"Checkpoint {gone.id} of run {run.id} was dropped.", field="checkpoint", hint=hint)
    steps = ", ".join(str(one.step) for one in known if one.state is CheckpointState.DURABLE)
    there = f"there is step {steps}" if steps else "it has none yet"
    hint = f"`keepbest checkpoints {run.id}` lists them."
    return NotFound(f"Run {run.id} has no such checkpoint; {there}.", field="checkpoint", hint=hint)
