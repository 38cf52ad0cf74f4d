"""The heart's benchmark of an earlier revision and of this tree, in turns on one machine.

    make bench-against REV=7a20c1f                   seven rounds of each (ROUNDS=1, ONLY=keeping, QUICK=1)

The revision is checked out beside the tree, into a temporary folder that is removed again, and runs with the libraries
that it was locked to: those of this tree's `.venv` where the lock is the same one, else in a `.venv` of its own.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.environment import clean_environment

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 7
#: A median that is this many times the earlier one is called slower.
LIMIT = 1.05
_LOCK = "constraints.txt"
#: How `tests.benchmarks.heart.show` prints a figure.
_FIGURE = re.compile(r"(?m)^  (\S.*?) +(-?\d+\.\d+) ms   goal")
Figures = dict[str, float]


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _read_arguments(arguments)
    options = [*(["--only", asked.only] if asked.only else []), *(["--quick"] if asked.quick else [])]
    then: list[Figures] = []
    now: list[Figures] = []
    with checked_out(asked.revision) as folder:
        sides = [(folder, python_of(folder), then), (ROOT, Path(sys.executable), now)]
        for number in range(asked.rounds):
            for place, python, figures in sides if number % 2 == 0 else reversed(sides):
                figures.append(measure(place, python, options))
            print(f"round {number + 1} of {asked.rounds}", flush=True)
    print("\n".join(compare(asked.revision, then, now)))


def _read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-against", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("revision", help="what git calls the earlier one")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", help="one part of the benchmark")
    parser.add_argument("--quick", action="store_true", help="a small model, to see that it runs")
    return parser.parse_args(arguments)


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """Yield a folder with the files of a revision; it is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="keepbest-against-") as place:
        folder = Path(place) / "tree"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", folder, revision], cwd=ROOT, check=True)
        try:
            yield folder
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", folder], cwd=ROOT, check=True)


def python_of(folder: Path) -> Path:
    """Return a Python with the libraries that the revision in `folder` is locked to."""
    if (folder / _LOCK).read_bytes() == (ROOT / _LOCK).read_bytes():
        return Path(sys.executable)
    subprocess.run(["make", ".venv/.installed"], cwd=folder, env=_environment(), check=True)
    return folder / ".venv" / "bin" / "python"


def measure(folder: Path, python: Path, options: Sequence[str]) -> Figures:
    """Run the benchmark of the tree in `folder`; return its figures in milliseconds."""
    command = [str(python), "-m", "tests.benchmarks.bench_heart", *options]
    done = subprocess.run(command, cwd=folder, env=_environment(), stdout=subprocess.PIPE, text=True, check=True)
    return {name: float(value) for name, value in _FIGURE.findall(done.stdout)}


def _environment() -> dict[str, str]:
    """Return the environment in which a tree finds its own modules, not those of a make that runs this."""
    given = clean_environment(TF_CPP_MIN_LOG_LEVEL="3")
    return {name: value for name, value in given.items() if not name.startswith("MAKE") and name != "PYTHONPATH"}


def compare(revision: str, then: Sequence[Mapping[str, float]], now: Sequence[Mapping[str, float]]) -> list[str]:
    """Return a line for each figure that both have: medians, from the least to the most, and their ratio."""
    lines = [f"{'milliseconds: median (least to most)':<40} {revision:>26} {'this tree':>26}   ratio"]
    for name in (name for name in then[0] if name in now[0]):
        earlier, present = [one[name] for one in then], [one[name] for one in now]
        lines.append(f"{name:<40} {_spread(earlier):>26} {_spread(present):>26}   {_ratio(earlier, present)}")
    return lines


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _ratio(earlier: Sequence[float], present: Sequence[float]) -> str:
    """Return the ratio of the medians; of what may be less than nothing there is none."""
    if min(*earlier, *present) <= 0:
        return "-"
    ratio = statistics.median(present) / statistics.median(earlier)
    return f"{ratio:.2f}{' SLOWER' if ratio > LIMIT else ''}"


if __name__ == "__main__":
    main()
