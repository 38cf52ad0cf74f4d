"""`checkpoints`: what of a run is on disk."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from keepbest.cli.common.formatting import age, number, size
from keepbest.cli.common.options import AsJson, RunId
from keepbest.cli.common.output import Table, print_json, print_table, say
from keepbest.cli.common.run_source import located
from keepbest.cli.common.suggest import suggest_restore
from keepbest.contract.checkpoints import Checkpoint, CheckpointState
from keepbest.restoration.fetch import Which
from keepbest.restoration.local_runs import CheckpointSource
from keepbest.settings import load

Pinned = Annotated[str | None, typer.Option(metavar="CHECKPOINT", help="Keep this one for good.")]
Unpinned = Annotated[str | None, typer.Option(metavar="CHECKPOINT", help="Let retention decide about it again.")]


def checkpoints(
    run: RunId,
    pin: Pinned = None,
    unpin: Unpinned = None,
    all: Annotated[bool, typer.Option("--all", "-a", help="Those that retention dropped, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List a run's checkpoints, the newest first."""
    with located(run, load()) as place:
        for checkpoint, pinned in ((pin, True), (unpin, False)):
            if checkpoint is not None:
                place.source.pin_checkpoint(checkpoint, pinned=pinned)
        found = place.source.checkpoints(place.id)
        durable = [one for one in found.checkpoints if one.state is CheckpointState.DURABLE]
        suggested = _suggest(place.source, durable) if durable and not as_json else ""
    kept = found.checkpoints if all else durable
    if as_json:
        print_json(found.model_copy(update={"checkpoints": kept}))
        return
    now = datetime.now(UTC)
    table = Table(("id", ">step", ">value", "kind", "", ">size", ">written", ">age"), empty="No checkpoint is on disk.")
    for one in sorted(kept, key=lambda one: one.at, reverse=True):
        sizes = (size(one.size_bytes), size(one.written_bytes))
        table.add(one.id, f"{one.step:,}", number(one.value, 17), one.kind, _marks(one), *sizes, age(one.at, now))
    print_table(table)
    if suggested:
        say(f"\n{suggested}")


def _suggest(source: CheckpointSource, durable: list[Checkpoint]) -> str:
    """Return the command for what was selected, else the best, else the last."""
    marks: list[tuple[Which, Checkpoint]] = [("selected", one) for one in durable if one.is_selected]
    marks += [("best", one) for one in durable if one.is_best]
    trained = [one for one in durable if one.kind != "selected"]
    which, one = next(iter(marks), ("last", (trained or durable)[-1]))
    return suggest_restore(source, one.run, one.id, which)


def _marks(one: Checkpoint) -> str:
    marks = {
        "best": one.is_best,
        "selected": one.is_selected,
        "pinned": one.is_pinned,
        "abandoned": one.ghost,
        "dropped": one.state is CheckpointState.DROPPED,
    }
    return ", ".join(mark for mark, is_so in marks.items() if is_so)
