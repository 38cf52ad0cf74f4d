"""`checkpoints`: lists the checkpoints of a run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from keepbest.checkpoint.fetch import Which
from keepbest.checkpoint.local_runs import CheckpointSource
from keepbest.cli.common.formatting import age, number
from keepbest.cli.common.options import AsJson, RunId
from keepbest.cli.common.output import Table, print_json, print_table, say
from keepbest.cli.common.run_source import located
from keepbest.cli.common.suggest import suggest_restore
from keepbest.contract.checkpoints import Checkpoint, CheckpointState
from keepbest.figures import size
from keepbest.settings import load

Pinned = Annotated[str | None, typer.Option(metavar="CHECKPOINT", help="Keep this one for good.")]
Unpinned = Annotated[str | None, typer.Option(metavar="CHECKPOINT", help="Let retention decide about it again.")]


def checkpoints(
    run: RunId,
    pin: Pinned = None,
    unpin: Unpinned = None,
    all: Annotated[bool, typer.Option("--all", "-a", help="Also list those that retention dropped.")] = False,
    as_json: AsJson = False,
) -> None:
    """List a run's checkpoints, the newest first."""
    with located(run, load()) as place:
        for checkpoint, pinned in ((pin, True), (unpin, False)):
            if checkpoint is not None:
                place.source.pin_checkpoint(checkpoint, pinned=pinned)
        checkpoint_list = place.source.checkpoints(place.id)
        durable = [item for item in checkpoint_list.checkpoints if item.state is CheckpointState.DURABLE]
        suggested = _suggest(place.source, durable) if durable and not as_json else ""
    kept = checkpoint_list.checkpoints if all else durable
    if as_json:
        print_json(checkpoint_list.model_copy(update={"checkpoints": kept}))
        return
    now = datetime.now(UTC)
    table = Table(("id", ">step", ">value", "kind", "", ">size", ">written", ">age"), empty="No checkpoint is on disk.")
    for item in sorted(kept, key=lambda item: item.at, reverse=True):
        sizes = (size(item.size_bytes), size(item.written_bytes))
        table.add(item.id, f"{item.step:,}", number(item.value), item.kind, _marks(item), *sizes, age(item.at, now))
    print_table(table)
    if suggested:
        say(f"\n{suggested}")


def _suggest(source: CheckpointSource, durable: list[Checkpoint]) -> str:
    """Return the command to restore the selected checkpoint, else the best, else the last."""
    marks: list[tuple[Which, Checkpoint]] = [
        ("selected", checkpoint) for checkpoint in durable if checkpoint.is_selected
    ]
    marks += [("best", checkpoint) for checkpoint in durable if checkpoint.is_best]
    trained = [checkpoint for checkpoint in durable if checkpoint.kind != "selected"]
    which, checkpoint = next(iter(marks), ("last", (trained or durable)[-1]))
    return suggest_restore(source, checkpoint.run, checkpoint.id, which)


def _marks(checkpoint: Checkpoint) -> str:
    marks = {
        "best": checkpoint.is_best,
        "selected": checkpoint.is_selected,
        "pinned": checkpoint.is_pinned,
        "abandoned": checkpoint.ghost,
        "dropped": checkpoint.state is CheckpointState.DROPPED,
    }
    return ", ".join([*checkpoint.aliases, *(mark for mark, is_so in marks.items() if is_so)])
