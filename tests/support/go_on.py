"""Go on from a checkpoint in a process of its own: `python -m tests.support.go_on STORE STEPS ROW=CHECKPOINT …`.

Prints JSON: for each row the losses, bit for bit, and a digest of the state at the end.
"""

from __future__ import annotations

import json
import sys

from blake3 import blake3

from keepbest.checkpoint import Store
from keepbest.snapshot import Variables
from tests.support.networks import ROWS, bits, seed_all, train
from tests.support.states import RUN


def main(root: str, steps: int, rows: list[str]) -> None:
    found = {}
    for row in rows:
        name, _, checkpoint = row.partition("=")
        seed_all(99)  # nothing may come from the seed of this process
        model = ROWS[name]()
        state = Store(root).load(RUN, checkpoint).resume_into(model)
        losses = train(model, state.step, steps)
        digest = blake3(b"".join(bits(Variables(model).read()))).hexdigest()
        found[name] = {"losses": [loss.hex() for loss in losses], "digest": digest}
    print("FOUND " + json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
