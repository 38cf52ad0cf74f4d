"""`python -m worker.verify RUN CHECKPOINT ANSWER`: measure a checkpoint anew, in a process that never trained.

The batches, the order of operations and the determinism are those of the training, so the value is the recorded one
to the last bit. Writes to the file ANSWER either {"receipt": …} or the API's error body.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import orjson

from keepbest import bundle
from keepbest.checkpoint.fetch import opened
from keepbest.checkpoint.load import Loaded
from keepbest.client import Client
from keepbest.contract.checkpoints import Checkpoint, Receipt
from keepbest.contract.runs import CodeSource, Run
from keepbest.errors import CodeFailed, InvalidInput, KeepbestError, MetricMissing, NotFound
from worker import settings
from worker.settings import Settings
from worker.trainer import environment, usercode
from worker.trainer.build import build
from worker.trainer.measure import Measured, Ruler
from worker.trainer.trainer import build_model


def verify(client: Client, known: Settings, run_id: str, checkpoint_id: str) -> Receipt:
    """Return the proof: the value recorded at the look beside the value measured now."""
    run = client.run(run_id)
    checkpoint = _get_checkpoint(client, run, checkpoint_id)
    with tempfile.TemporaryDirectory(prefix="keepbest-") as folder, opened(client, checkpoint, known.store) as store:
        loaded = store.load(run.id, checkpoint.id)
        measured = _measure(run, loaded, _fetch_code(client, run, Path(folder) / "code"), known.data)
    return _compare(run, checkpoint, measured)


def _get_checkpoint(client: Client, run: Run, checkpoint_id: str) -> Checkpoint:
    found = [one for one in client.checkpoints(run.id).checkpoints if one.id == checkpoint_id]
    if not found:
        raise NotFound(f"Run {run.id} has no checkpoint {checkpoint_id}.", hint=f"keepbest checkpoints {run.id}")
    if found[0].value is None:
        raise InvalidInput(
            f"No value was recorded with the checkpoint of step {found[0].step}: it was not made at a look.",
            field="checkpoint",
            hint="Verify the best one: --best.",
        )
    return found[0]


def _fetch_code(client: Client, run: Run, folder: Path) -> Path:
    if isinstance(run.spec.source, CodeSource):
        bundle.unpack(client.bundle(run.spec.source.bundle), folder)
    return folder


def _measure(run: Run, loaded: Loaded, code: Path, data: Path | None) -> Measured:
    environment.prepare(run.spec.seed, deterministic=environment.was_deterministic(loaded.manifest.environment))
    try:
        training = build(run.spec, code=code, data_folder=data)
    except KeepbestError:
        raise
    except BaseException as error:  # whatever the user's code raises, sys.exit included
        told = usercode.describe_error(error, code)
        raise CodeFailed(told.message, hint=told.hint) from error
    build_model(training)
    loaded.load_into(training.model)
    return Ruler(training.validation).measure(training.model)


def _compare(run: Run, checkpoint: Checkpoint, measured: Measured) -> Receipt:
    monitor = run.spec.monitor
    restored = measured.values.get(monitor.removeprefix("val_"))
    if restored is None or not monitor.startswith("val_") or checkpoint.value is None:
        names = ", ".join(f"val_{name}" for name in sorted(measured.values))
        raise MetricMissing(f"{monitor!r} cannot be measured anew; the validation set gives {names}.")
    return Receipt(
        run=run.id,
        checkpoint=checkpoint.id,
        step=checkpoint.step,
        monitor=monitor,
        recorded=checkpoint.value,
        restored=restored,
        difference=restored - checkpoint.value,
        n=measured.n,
        equal=restored == checkpoint.value,
    )


def main(run: str, checkpoint: str, answer: str) -> int:
    """Return 0 when the file holds a receipt, 1 when it holds an error."""
    try:
        known = settings.load()
        with Client(known.url, known.token or "") as client:
            said: dict[str, Any] = {"receipt": verify(client, known, run, checkpoint).model_dump(mode="json")}
    except KeepbestError as error:
        said = error.to_body()
    Path(answer).write_bytes(orjson.dumps(said))
    return 0 if "receipt" in said else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
