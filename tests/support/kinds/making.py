"""Making the table: one process trains, one comes back with keepbest, one reads what was exported without it.

make kinds-table                 write the table of docs/reference/kinds.md anew
make kinds-table ONLY="LoRA"     tell of some kinds, with semicolons between; nothing is written
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.kinds import table
from tests.support.processes import Processes

PROCESSES = ("train", "back", "read")
SECONDS = 3600.0


def make(folder: Path, processes: Processes, only: Sequence[str] = ()) -> dict[str, table.Row]:
    """Return every row; what the processes say goes along in `processes.folder`."""
    for name in PROCESSES:
        process = processes.with_tensorflow(f"tests.support.kinds.{name}", folder, *only, TF_CPP_MIN_LOG_LEVEL="3")
        assert process.wait(seconds=SECONDS) == 0, process.output
    return table.gather(folder, only)


def make_alone(only: Sequence[str] = ()) -> dict[str, table.Row]:
    """Return the rows, made in a folder that is removed again."""
    with tempfile.TemporaryDirectory(prefix="keepbest-kinds-") as place:
        folder = Path(place)
        (folder / "processes").mkdir()
        processes = Processes(folder / "processes")
        try:
            return make(folder / "kinds", processes, only)
        finally:
            processes.stop_all()


def main(only: str = "") -> None:
    chosen = [name.strip() for name in only.split(";") if name.strip()]
    rows = make_alone(chosen)
    for name, row in rows.items():
        told = [f"{road} {cell.word}: {cell.why[:300]}" for road, cell in row.items() if cell.word != "equal"]
        print(name, *told or ["all equal"], sep="\n    ")
    if not chosen:
        table.PAGE.write_text(table.put(table.PAGE.read_text(), table.lines_of(rows)))


if __name__ == "__main__":
    main(*sys.argv[1:])
