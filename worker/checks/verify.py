"""`python -m worker.checks.verify RUN CHECKPOINT FILE`: prove a restore in a process that never trained.

Model and data are built as the trainer built them, the checkpoint is loaded with every digest checked, and the run's
own validation set is measured by the trainer's own ruler. FILE gets the receipt, or the error, as JSON.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any

from keepbest.client.client import Client
from keepbest.contract.checkpoints import Checkpoint, Receipt
from keepbest.contract.runs import Run
from keepbest.errors import InvalidInput, KeepbestError
from keepbest.settings import write_private
from worker import settings
from worker.checks.rebuild import rebuild, told_in_their_words
from worker.settings import WorkerSettings
from worker.trainer.evaluate import Evaluator


def main(run: str, checkpoint: str, file: str) -> int:
    """Write the receipt to `file`; return 0, or 1 where the file holds an error."""
    try:
        known = settings.load()
        with Client(known.url, known.token or "") as client, tempfile.TemporaryDirectory(prefix="keepbest-") as folder:
            receipt = verify(client, client.run(run), client.checkpoint(checkpoint), known, Path(folder) / "code")
        _write(file, {"receipt": receipt.model_dump(mode="json")})
    except KeepbestError as error:
        _write(file, error.to_body())
        return 1
    return 0


def verify(client: Client, run: Run, checkpoint: Checkpoint, known: WorkerSettings, code: Path) -> Receipt:
    """Restore `checkpoint` into a model built anew and measure it; `code` is where a user's code is unpacked.

    Raises CodeFailed where the user's code raised.
    """
    metric = run.spec.monitor.removeprefix("val_")
    with told_in_their_words(run, code):
        training = rebuild(client, run, checkpoint, known, code)
        measured = Evaluator.of_validation(training).measure(training.model)
    if metric not in measured.values:
        raise InvalidInput(f"The model has no metric {metric!r} any more.", field="monitor")
    return _receipt(run, checkpoint, measured.values[metric], measured.n)


def _receipt(run: Run, checkpoint: Checkpoint, restored: float, n: int | None) -> Receipt:
    recorded = float(checkpoint.value or 0.0)
    return Receipt(
        run=run.id,
        checkpoint=checkpoint.id,
        step=checkpoint.step,
        monitor=run.spec.monitor,
        recorded=recorded,
        restored=restored,
        difference=restored - recorded,
        n=n,
        equal=struct.pack("<d", recorded) == struct.pack("<d", restored),
    )


def _write(file: str, fields: dict[str, Any]) -> None:
    write_private(Path(file), json.dumps(fields))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
