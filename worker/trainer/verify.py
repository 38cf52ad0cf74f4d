"""`python -m worker.trainer.verify`: measure a checkpoint anew, in a fresh process, as the trainer measured it.

Reads a `Request` as JSON from standard input and prints an `Answer` as the last line of standard output. The batches,
the order of operations and the determinism are those of the training, so the value is the recorded one to the last bit.
"""

from __future__ import annotations

import sys
from pathlib import Path

from keepbest.checkpoint import Store
from keepbest.contract.base import Answer as Reply
from keepbest.contract.base import Id, Shape
from keepbest.contract.runs import RunSpec
from keepbest.errors import KeepbestError, MetricMissing
from worker.trainer import environment, usercode
from worker.trainer.build import build
from worker.trainer.feed import make_feed
from worker.trainer.measure import Ruler
from worker.trainer.trainer import build_model


class Request(Shape):
    """What to measure, and where it lies; `code` is the unpacked bundle of a run that brought its own."""

    spec: RunSpec
    run: Id
    checkpoint: Id
    store: Path
    data: Path | None = None
    code: Path | None = None


class Answer(Reply):
    """The value recorded at the look, the value measured now, and everything else that was measured."""

    step: int
    monitor: str
    recorded: float | None
    restored: float
    values: dict[str, float]
    n: int | None


def verify(request: Request) -> Answer:
    """Build the model, put the checkpoint into it, measure the validation set."""
    spec = request.spec
    environment.prepare(spec.seed, deterministic=True)
    training = build(spec, code=request.code or Path(), data_folder=request.data)
    build_model(training.model, make_feed(training, spec.seed))
    loaded = Store(request.store).load(request.run, request.checkpoint)
    loaded.load_into(training.model)
    measured = Ruler(training.validation).measure(training.model)
    values = {f"val_{name}": value for name, value in measured.values.items()}
    if spec.monitor not in values:
        raise MetricMissing(f"{spec.monitor!r} is not measured on the validation set: {', '.join(sorted(values))}.")
    return Answer(
        step=loaded.step,
        monitor=spec.monitor,
        recorded=loaded.manifest.value,
        restored=values[spec.monitor],
        values=values,
        n=measured.n,
    )


def main() -> int:
    request = Request.model_validate_json(sys.stdin.read())
    try:
        answer = verify(request)
    except KeepbestError as error:
        print(error.message, *([error.hint] if error.hint else []), sep="\n", file=sys.stderr)
        return 1
    except BaseException as error:
        told = usercode.describe_error(error, request.code or Path())
        print(told.traceback or told.message, file=sys.stderr)
        return 1
    print(f"\n{answer.model_dump_json()}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
