"""What `make coverage` measured, one line for each package: `python -m tests.support.coverage` prints it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support.processes import ROOT

#: The counts of a file's summary that make up its share: statements, and both ways of each branch.
REACHED = ("covered_lines", "covered_branches")
ALL = ("num_statements", "num_branches")
COUNTS = (*REACHED, *ALL, "missing_lines", "missing_branches")


def rows(files: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each package and one for all: percent reached, and the lines and branches missed."""
    packages: dict[str, Counter[str]] = {}
    for name, measured in sorted(files.items()):
        counts = {word: measured["summary"].get(word, 0) for word in COUNTS}
        packages.setdefault(Path(name).parent.as_posix(), Counter()).update(counts)
    whole: Counter[str] = sum(packages.values(), Counter())
    for name, total in [*packages.items(), ("all", whole)]:
        missed = (total["missing_lines"], total["missing_branches"])
        yield f"{name:<28}{share(total):6.1f} %  {missed[0]:5} lines  {missed[1]:5} branches missed"


def share(total: Mapping[str, int]) -> float:
    """Return the percentage of lines and branches that were reached."""
    there = sum(total[word] for word in ALL)
    return 100 * sum(total[word] for word in REACHED) / there if there else 100.0


def main() -> None:
    command = [sys.executable, "-m", "coverage", "json", "-q", "-o", "-"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    print("\n".join(rows(json.loads(done.stdout)["files"])))


if __name__ == "__main__":
    main()
