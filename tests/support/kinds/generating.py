"""Generated models, each by every road: nothing may differ in silence.

make kinds N=300 SEED=11         so many models; what is refused, with its reason
make kinds SEED=11 ONLY=17       one of them again, or several: ONLY=17,23
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

from tests.support.kinds import table
from tests.support.kinds.generated import PREFIX
from tests.support.kinds.making import make_alone

#: Models of one process: what TensorFlow keeps of each is freed with it.
AT_ONCE = 50
Rows = Mapping[str, table.Row]


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _read_arguments(arguments)
    numbers = [int(one) for one in asked.only.split(",") if one.strip()] or list(range(asked.n))
    print(f"{len(numbers)} models of seed {asked.seed}", flush=True)
    rows: dict[str, table.Row] = {}
    for first in range(0, len(numbers), AT_ONCE):
        names = [f"{PREFIX}{asked.seed}/{number}" for number in numbers[first : first + AT_ONCE]]
        found = make_alone(names)
        print(*_failures(found), sep="\n", flush=True)
        rows |= found
    print(*_summary(rows), sep="\n")
    return 1 if _failures(rows) else 0


def _read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make kinds", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-n", type=int, default=30, help="how many models")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000))
    parser.add_argument("--only", default="", help="numbers of models, with commas between")
    return parser.parse_args(arguments)


def _failures(rows: Rows) -> list[str]:
    """Return a line for each road that gave another model, with what makes it again."""
    told = []
    for name, row in rows.items():
        seed, _, number = name.removeprefix(PREFIX).partition("/")
        again = f"make kinds SEED={seed} ONLY={number}"
        roads = [(road, cell) for road, cell in row.items() if cell.word == "WRONG" and not _is_keras(row)]
        told += [f"WRONG {road}: {cell.why[:400]}\n      {again}" for road, cell in roads]
    return told


def _is_keras(row: table.Row) -> bool:
    """Whether Keras itself could not train the model."""
    return "Untrainable" in row["trains"].why


def _summary(rows: Rows) -> list[str]:
    trained = {name: row for name, row in rows.items() if not _is_keras(row)}
    words = Counter(cell.word for row in trained.values() for road, cell in row.items() if road != table.KERAS)
    why = Counter(
        f"{cell.word}, {road}: {table.plain(cell.why)}"
        for row in trained.values()
        for road, cell in row.items()
        if cell.word in ("refused", "--into", "lost") and road != table.KERAS
    )
    untrained = [f"{name}: {row['trains'].why[:200]}" for name, row in rows.items() if _is_keras(row)]
    return [
        f"{len(trained)} models trained: " + ", ".join(f"{count} {word}" for word, count in words.most_common()),
        *(f"  {count} x {reason}" for reason, count in why.most_common()),
        *(["Keras itself cannot train:", *untrained] if untrained else []),
    ]


if __name__ == "__main__":
    sys.exit(main())
