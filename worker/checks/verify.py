"""`python -m worker.checks.verify RUN CHECKPOINT FILE`: prove a restore in a process that never trained.

This builds model and data as the trainer did, loads the checkpoint with every digest checked, and measures the run's
validation set with the trainer's `Evaluator`. FILE gets the receipt, or the error, as JSON.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
from pathlib import Path

from keepbest.client.client import Client
from keepbest.contract.checkpoints import Checkpoint, Receipt
from keepbest.contract.runs import Run
from keepbest.errors import InvalidInput, KeepbestError
from keepbest.settings import write_private
from worker import settings
from worker.checks.rebuild import rebuild, users_errors
from worker.settings import WorkerSettings
from worker.trainer.evaluate import Evaluator


def main(run: str, checkpoint: str, file: str) -> int:
    """Write the receipt to `file`; return 0, or 1 if the file holds an error."""
    try:
        known = settings.load()
        with Client(known.url, known.token or "") as client, tempfile.TemporaryDirectory(prefix="keepbest-") as folder:
            receipt = verify(client, client.run(run), client.checkpoint(checkpoint), known, Path(folder) / "code")
        write_private(Path(file), json.dumps({"receipt": receipt.model_dump(mode="json")}))
    except KeepbestError as error:
        write_private(Path(file), json.dumps(error.to_body()))
        return 1
    return 0


def verify(client: Client, run: Run, checkpoint: Checkpoint, known: WorkerSettings, code: Path) -> Receipt:
    """Restore `checkpoint` into a fresh model and measure it; `code` is the folder for a user's code.

    Raises CodeFailed if the user's code raises.
    """
    metric = run.spec.monitor.removeprefix("val_")
    with users_errors(run, code):
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


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
