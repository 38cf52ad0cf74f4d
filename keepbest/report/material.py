"""What a report is made of: a run, its looks, its receipts, and how many runs were searched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keepbest.client import Client
from keepbest.contract.checkpoints import Receipt
from keepbest.contract.looks import Look
from keepbest.contract.runs import Run

#: Of a project's runs; beyond them nothing is counted.
MAX_PAGES = 200


@dataclass(frozen=True)
class Material:
    """`searched` counts the runs of the project that watched the same metric on the same data."""

    run: Run
    looks: tuple[Look, ...]
    receipts: tuple[Receipt, ...]
    searched: int


def gather(client: Client, reference: str) -> Material:
    """Read a run with all its looks."""
    run = client.run(reference)
    looks = tuple(_read_looks(client, run.id))
    receipts = tuple(client.receipts(run.id).receipts)
    return Material(run, looks, receipts, _count_rivals(client, run))


def _read_looks(client: Client, run: str) -> Iterator[Look]:
    after = 0
    while page := client.looks(run, after=after).looks:
        yield from page
        after = page[-1].seq


def _count_rivals(client: Client, run: Run) -> int:
    """Count the runs among which this one's value would be chosen, itself included."""
    count, cursor = 0, None
    for _ in range(MAX_PAGES):
        page = client.runs(project=run.project, cursor=cursor)
        count += sum(1 for other in page.runs if _is_rival(other, run))
        cursor = page.cursor
        if cursor is None:
            break
    return max(1, count)


def _is_rival(other: Run, run: Run) -> bool:
    return (other.spec.monitor, other.spec.data) == (run.spec.monitor, run.spec.data)
