"""Builds a run's model and data as its trainer did, in a process that never trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keepbest.checkpoint.fetch import opened
from keepbest.checkpoint.load import Loaded
from keepbest.client import bundle
from keepbest.client.client import Client
from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.runs import CodeSource, Run
from keepbest.errors import CodeFailed, KeepbestError
from keepbest.journal import values
from keepbest.training.spec import Training, build_model
from worker.settings import WorkerSettings
from worker.trainer import environment, user_code
from worker.trainer.build import build
from worker.trainer.import_tensorflow import import_tensorflow


def rebuild(client: Client, run: Run, checkpoint: Checkpoint | None, known: WorkerSettings, code: Path) -> Training:
    """Return model and data with `checkpoint` in the model, every digest checked; `code` is for the user's code.

    Without a checkpoint the model is as training begins: this seeds and builds as the trainer does.
    """
    import_tensorflow()
    if isinstance(run.spec.source, CodeSource):
        bundle.unpack(client.bundle(run.spec.source.bundle), code)
    loaded: Loaded | None = None
    if checkpoint is not None:
        with opened(client, checkpoint, known.store) as store:
            loaded = store.load(checkpoint.run, checkpoint.id)
    described = loaded.manifest.environment if loaded is not None else run.environment or {}
    environment.prepare(run.spec.seed, deterministic=bool(described.get("deterministic", True)))
    training = build(run.spec, code=code, data_folder=known.data)
    build_model(training)
    if loaded is not None:
        loaded.load_into(training.model)
    return training


@contextmanager
def users_errors(run: Run, code: Path) -> Iterator[None]:
    """Turn any error of the user's code, sys.exit included, into CodeFailed without keepbest's frames."""
    try:
        yield
    except KeepbestError:
        raise
    except BaseException as error:
        is_users = isinstance(run.spec.source, CodeSource)
        described = user_code.describe_error(error, code) if is_users else values.describe_error(error)
        raise CodeFailed(described.message, hint=described.hint) from error
