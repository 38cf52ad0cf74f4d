"""Go on from checkpoints in a process of its own: `python -m tests.support.exact.go_on STORE RUN ROW=CHECKPOINT …`.

Prints JSON: for each row the losses, bit for bit, and a digest of the state at the end.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from keepbest.checkpoint import Store
from tests.support.exact.plateau import HALF, PLATEAU, Plateau
from tests.support.exact.training import Ended, Trained
from tests.support.states import RUN

OTHER_SEED = 99


def main(root: str, script: str, rows: list[str]) -> None:
    """Go on with each row from its checkpoint, and with the run of a script of its own."""
    found = {PLATEAU: Plateau(Path(root), script, OTHER_SEED).train(HALF, 2 * HALF)}
    for row in rows:
        name, _, checkpoint = row.partition("=")
        found[name] = go_on(Store(root), name, checkpoint)
    print("FOUND " + json.dumps(found))


def go_on(store: Store, name: str, checkpoint: str) -> Ended:
    trained = Trained(name, OTHER_SEED, learns=False)
    store.load(RUN, checkpoint).resume_into(trained.model)
    return trained.train_on()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
