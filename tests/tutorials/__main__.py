"""Train the systems of the five tutorials in full length, and write the table of docs/explanation/tutorials.md.

    make tutorials                            all of them, on MNIST from KEEPBEST_DATA or Keras' download
    make tutorials ONLY=line-fit,hvass-cnn    some; ONLY=missing: those that the page has no row for
    make tutorials SHORT=1                    a few steps of each on the embedded digits, told but not written

Each row is written as soon as it is measured, so what was interrupted goes on with ONLY=missing. The exit status is 1
where a system did not reach what its tutorial reaches, or where the restored best differs from what was recorded.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from keepbest.errors import KeepbestError
from tests.tutorials import table
from tests.tutorials.service import find_data, serve
from tests.tutorials.systems import SYSTEMS, Outcome, System

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "tutorials.md"


def main(arguments: Sequence[str] | None = None) -> int:
    asked = read_arguments(arguments)
    chosen = choose(asked.only, asked.page)
    fell_short = []
    place = tempfile.TemporaryDirectory(prefix="keepbest-tutorials-")
    with place as folder, serve(Path(folder), find_data()) as service:
        for system in chosen:
            (outcome,) = service.train(system.request(short=asked.short))
            row = table.row_of(system, cells(system, outcome))
            print(row, flush=True)
            if not asked.short:
                write(asked.page, {system.name: row})
            if not outcome.receipt.equal or not (asked.short or system.is_reached(outcome)):
                fell_short.append(system.name)
    print(f"Fell short: {', '.join(fell_short)}" if fell_short else "All reached what they had to.")
    return 1 if fell_short else 0


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make tutorials", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="names with commas between, or `missing`")
    parser.add_argument("--short", action="store_true", help="a few steps on the embedded digits; nothing is written")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page that holds the table")
    return parser.parse_args(arguments)


def choose(only: str, page: Path) -> list[System]:
    """Return the systems to train; raises KeepbestError for a name that is none."""
    if only == "missing":
        return [system for system in SYSTEMS if system.name not in table.read(page.read_text())]
    names = [name.strip() for name in only.split(",") if name.strip()]
    if unknown := set(names) - {system.name for system in SYSTEMS}:
        known = ", ".join(system.name for system in SYSTEMS)
        raise KeepbestError(f"There is no system {', '.join(sorted(unknown))}.", hint=f"There are {known}.")
    return [system for system in SYSTEMS if not names or system.name in names]


def cells(system: System, got: Outcome) -> list[str]:
    """What is written of a run: everything is measured."""
    run, receipt = got.run, got.receipt
    assert run.started_at is not None
    assert run.ended_at is not None, "only ended runs are told"
    difference = f"{receipt.difference!r}{', to the last bit' if receipt.equal else ''}"
    return [
        system.tell(got),
        f"{run.step:,}",
        f"{(run.ended_at - run.started_at).total_seconds():.0f}",
        str(run.stop_reason),
        f"{receipt.monitor} {receipt.restored:.6g} ({difference})",
        f"{datetime.now(UTC):%Y-%m-%d}, {table.machine()}",
    ]


def write(page: Path, rows: dict[str, str]) -> None:
    """Read the page anew: somebody may have edited it while the system was trained."""
    page.write_text(table.put(page.read_text(), SYSTEMS, rows))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeepbestError as error:
        sys.exit(f"error: {error}\nnext: {error.hint}" if error.hint else f"error: {error}")
