"""`diff`: what changed between the best and the last of a run, or between two runs: examples, matrix, weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from keepbest.cli.checkpoints.checkpoint import show_diff
from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import Table, print_facts, print_json, print_table, say, warn
from keepbest.client.client import Client
from keepbest.contract.checkpoints import CheckpointDiff
from keepbest.contract.panel_differences import (
    ChangedExample,
    ConfusionDifference,
    DifferenceEnd,
    ExamplesDifference,
    PanelDifference,
    PanelDifferenceQuery,
)
from keepbest.contract.validate import request
from keepbest.errors import CheckpointError, Conflict, NotFound

#: Examples of each kind, and cells, that a terminal shows; --json has more.
MAX_SHOWN = 20
First = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its first letters.")]
Second = Annotated[str | None, typer.Argument(metavar="OTHER", help="Another run; else the same.")]
At = Annotated[str, typer.Option("--at", help="Of RUN: best, last, or a step.")]
Against = Annotated[
    str | None, typer.Option("--against", help="Of the other end: best, last, or a step; last of the same run.")
]


def diff(run: First, other: Second = None, at: At = "best", against: Against = None, as_json: AsJson = False) -> None:
    """Say what changed: of a run from its best to its last, or from the best of one run to the best of another.

    Examples newly right and newly wrong, the confusion matrix of the difference, and how far the weights moved.
    """
    query = request(PanelDifferenceQuery, first=run, second=other, first_at=at, second_at=against)
    with Client() as client:
        difference = client.diff_panels(query)
        weights, note = _read_weights(client, difference)
    if as_json:
        plain = {**difference.model_dump(mode="json"), "weights": weights.model_dump(mode="json") if weights else None}
        print_json(plain)
        return
    _print_ends(difference)
    if difference.examples is not None:
        _print_examples(difference.examples)
    if difference.confusion is not None:
        _print_cells(difference.confusion)
    if weights is not None:
        say("\nweights")
        show_diff(weights, with_equal=False)
    for text in [*difference.notes, *([note] if note else [])]:
        warn(f"note: {text}")


def _read_weights(client: Client, difference: PanelDifference) -> tuple[CheckpointDiff | None, str]:
    """Return how the checkpoints of both ends differ, or why that is not known."""
    ends = (difference.first.checkpoint, difference.second.checkpoint)
    if ends[0] is None or ends[1] is None:
        return None, "The weights are not compared: one end has no checkpoint on disk."
    if ends[0] == ends[1]:
        return None, f"The weights are not compared: checkpoint {ends[0]} is the nearest to both ends."
    try:
        return client.diff_checkpoints(ends[0], ends[1]), ""
    except (CheckpointError, Conflict, NotFound) as error:
        return None, f"The weights are not compared: {error.message}"


def _print_ends(difference: PanelDifference) -> None:
    ends = (("first", difference.first), ("second", difference.second))
    print_facts("difference", [(name, _describe(end)) for name, end in ends])


def _describe(end: DifferenceEnd) -> str:
    step = "nothing recorded" if end.step is None else f"step {end.step:,}"
    point = f", checkpoint {end.checkpoint} of step {end.checkpoint_step:,}" if end.checkpoint is not None else ""
    return f"{end.run} ({end.name} #{end.number}), {end.at}: {step}{point}"


def _print_examples(examples: ExamplesDifference) -> None:
    known = f"the first {examples.known:,} of {examples.n:,}" if examples.known < examples.n else f"{examples.n:,}"
    say(
        f"\n{examples.newly_right:,} newly right, {examples.newly_wrong:,} newly wrong, "
        f"{examples.wrong_at_both:,} wrong at both ends, of {known} examples"
    )
    table = Table((">example", "", "true", "first", "second"))
    for word, rows in (("newly wrong", examples.wrong), ("newly right", examples.right)):
        for row in rows[:MAX_SHOWN]:
            table.add(*_example(row, word))
    if table.rows:
        print_table(table)
    if max(examples.newly_right, examples.newly_wrong) > MAX_SHOWN:
        say(f"These are the first {MAX_SHOWN} of each; --json has more.")


def _example(row: ChangedExample, word: str) -> Sequence[object]:
    return f"{row.index:,}", word, row.true, row.first, row.second


def _print_cells(confusion: ConfusionDifference) -> None:
    """Print the cells that changed, those that changed most first."""
    cells = sorted(_list_cells(confusion), key=lambda cell: -abs(cell[-1]))
    if not cells:
        say("\nEvery cell of the confusion matrix is the same.")
        return
    table = Table(("true", "predicted", ">first", ">second", ">difference"))
    for true, predicted, first, second, change in cells[:MAX_SHOWN]:
        table.add(true, predicted, f"{first:,}", f"{second:,}", f"{change:+,}")
    say()
    print_table(table)
    if len(cells) > MAX_SHOWN:
        say(f"{len(cells) - MAX_SHOWN} more cells changed; --json has them.")


def _list_cells(confusion: ConfusionDifference) -> Iterator[tuple[str, str, int, int, int]]:
    for row, true in enumerate(confusion.classes):
        for column, predicted in enumerate(confusion.classes):
            change = confusion.difference[row][column]
            if change:
                yield true, predicted, confusion.first[row][column], confusion.second[row][column], change
