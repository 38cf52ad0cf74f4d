"""Write to a store while another process collects garbage: `python -m tests.support.collecting STORE SECONDS`.

Every checkpoint shares its base with the one before, and with one that is dropped in between. Prints as JSON how
many checkpoints it wrote, and which must still be there.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from keepbest.checkpoint import Store
from tests.support.states import RUN, about, make_state


def main(root: Path, seconds: float) -> None:
    store, kept, count = Store(root, threads=1), list[str](), 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        count += 1
        kept.append(store.write(make_state(count, step=count, frozen=1 + count // 20), about()).manifest.id)
        if count % 3 == 0 and store.drop(RUN, kept[-2]):
            del kept[-2]
    print(json.dumps({"kept": kept, "count": count}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
