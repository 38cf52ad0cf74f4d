"""Finds a run: at the tracker or, for runs without a service, in the store of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from keepbest.checkpoint.fetch import Which, choose
from keepbest.checkpoint.local_runs import CheckpointSource, LocalRuns
from keepbest.checkpoint.store import Store
from keepbest.cli.common.output import warn
from keepbest.client.client import Client
from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.runs import Run
from keepbest.errors import Busy, InvalidInput, KeepbestError, NotAuthenticated, NotFound, Unreachable
from keepbest.settings import Settings
from keepbest.tracking.offline import read_names

#: What a tracker that answers says where the run may be one of this machine's store.
_UNKNOWN = (NotFound, NotAuthenticated, InvalidInput)
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Located:
    """A run, and who knows its checkpoints. `run` is what the tracker says of it; None: it was found in the store."""

    id: str
    source: CheckpointSource
    run: Run | None = None

    def choose(self, *, which: Which = "best", step: int | None = None, id: str | None = None) -> Checkpoint:
        """Return the checkpoint that is meant, as `keepbest.checkpoint.fetch.choose` says."""
        return choose(self.source, self.id, which=which, step=step, id=id)

    def need_run(self, what: str, hint: str) -> Run:
        """Return what the tracker knows. Raises InvalidInput where only the store knows the run, and `what` wants more.

        A store holds what was trained, not how: neither code nor data.
        """
        if self.run is None:
            message = f"{what} needs the run as it was submitted; of run {self.id} there is the store only."
            raise InvalidInput(message, field="run", hint=hint)
        return self.run


@contextmanager
def located(reference: str, settings: Settings) -> Iterator[Located]:
    """Give the run that `reference` means: an id, the first letters of it, or the name of a run kept offline here.

    Raises the tracker's own error where the store does not know the run either.
    """
    with Client(settings=settings) as client:

        def ask_tracker() -> Located:
            run = client.run(reference)
            return Located(run.id, client, run)

        def ask_store(runs: LocalRuns) -> Located:
            return Located(runs.find(reference), runs)

        yield _ask(settings, ask_tracker, ask_store)


@contextmanager
def located_checkpoint(reference: str, settings: Settings) -> Iterator[tuple[CheckpointSource, Checkpoint]]:
    """Give the checkpoint of this id, else the best of the run that `reference` means, and who has its files.

    What lies in the store of this machine under the very id costs no request.
    """
    local = LocalRuns(Store(settings.store, notes=settings.dir))
    exact = _find_exact(local, reference)
    if exact is not None:
        yield local, exact
        return
    with Client(settings=settings) as client:

        def ask_tracker() -> tuple[CheckpointSource, Checkpoint]:
            try:
                return client, client.checkpoint(reference)
            except NotFound:
                return client, choose(client, client.run(reference).id)

        def ask_store(runs: LocalRuns) -> tuple[CheckpointSource, Checkpoint]:
            try:
                return runs, choose(runs, runs.find(reference))
            except NotFound:
                return runs, runs.checkpoint(reference)

        yield _ask(settings, ask_tracker, ask_store)


def _find_exact(local: LocalRuns, reference: str) -> Checkpoint | None:
    with suppress(KeepbestError):
        checkpoint = local.checkpoint(reference)
        return checkpoint if checkpoint.id == reference else None
    return None


def _ask(settings: Settings, ask_tracker: Callable[[], _Answer], ask_store: Callable[[LocalRuns], _Answer]) -> _Answer:
    """Return the tracker's answer, else the store's, saying which; else raise the tracker's error."""
    local = LocalRuns(Store(settings.store, notes=settings.dir), read_names(settings.dir / "offline"))
    if settings.mode != "online":  # then nobody wants a tracker to be asked
        return ask_store(local)
    try:
        return ask_tracker()
    except (Unreachable, Busy, *_UNKNOWN) as error:
        refusal = error
    try:
        store = ask_store(local)
    except NotFound:
        raise type(refusal)(
            f"{refusal.message} Nor is it in the store {settings.store}.", field=refusal.field, hint=refusal.hint
        ) from refusal
    warn(f"{refusal.message} Found in the store {settings.store}.")
    return store
