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
from keepbest.contract.aliases import checkpoint_of
from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.runs import Run
from keepbest.errors import Busy, InvalidInput, KeepbestError, NotAuthenticated, NotFound, Unreachable
from keepbest.settings import Settings
from keepbest.tracking.offline import read_names

#: Answers of a tracker after which the store of this machine may still know the run.
_UNKNOWN = (NotFound, NotAuthenticated, InvalidInput)
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Located:
    """A run and the source of its checkpoints. `run` is the tracker's; None if only the store knows the run.

    `named` is the checkpoint that an alias means, where the run was found by one.
    """

    id: str
    source: CheckpointSource
    run: Run | None = None
    named: str | None = None

    def choose(self, *, which: Which = "best", step: int | None = None, id: str | None = None) -> Checkpoint:
        """Return the chosen checkpoint, as `keepbest.checkpoint.fetch.choose` does, or else the one that was named."""
        return choose(self.source, self.id, which=which, step=step, id=self.named if step is None and not id else id)

    def need_run(self, what: str, hint: str) -> Run:
        """Return the tracker's run, which `what` needs; raises InvalidInput if only the store knows the run.

        A store holds the result of a training, but neither its code nor its data.
        """
        if self.run is None:
            message = f"{what} needs the tracker's record of run {self.id}, but only the store knows the run."
            raise InvalidInput(message, field="run", hint=hint)
        return self.run


@contextmanager
def located(reference: str, settings: Settings) -> Iterator[Located]:
    """Yield the run of `reference`: an id, its first letters, an alias, or the name of a run kept offline here.

    Raises the tracker's error if the store does not know the run either.
    """
    with Client(settings=settings) as client:

        def ask_tracker() -> Located:
            named = _find_named(client, reference)
            run = client.run(reference if named is None else named[0])
            return Located(run.id, client, run, None if named is None else named[1])

        def ask_store(runs: LocalRuns) -> Located:
            return Located(runs.find(reference), runs)

        yield _ask(settings, ask_tracker, ask_store)


@contextmanager
def located_checkpoint(reference: str, settings: Settings) -> Iterator[tuple[CheckpointSource, Checkpoint]]:
    """Yield the checkpoint with this id or alias, or the best of the run with this id, and the source of its files.

    A checkpoint with exactly this id in the store of this machine needs no request.
    """
    local = LocalRuns(Store(settings.store, notes=settings.dir))
    exact = _find_exact(local, reference)
    if exact is not None:
        yield local, exact
        return
    with Client(settings=settings) as client:

        def ask_tracker() -> tuple[CheckpointSource, Checkpoint]:
            if (named := _find_named(client, reference)) is not None:
                return client, client.checkpoint(named[1])
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


def _find_named(client: Client, reference: str) -> tuple[str, str] | None:
    """Return run and checkpoint of an alias, as `digits@champion`; None for another reference."""
    if "@" not in reference:
        return None
    return checkpoint_of(client.alias(reference))


def _find_exact(local: LocalRuns, reference: str) -> Checkpoint | None:
    with suppress(KeepbestError):
        checkpoint = local.checkpoint(reference)
        return checkpoint if checkpoint.id == reference else None
    return None


def _ask(settings: Settings, ask_tracker: Callable[[], _Answer], ask_store: Callable[[LocalRuns], _Answer]) -> _Answer:
    """Return the tracker's answer, or the store's with a warning, or raise the tracker's error."""
    local = LocalRuns(Store(settings.store, notes=settings.dir), read_names(settings.dir / "offline"))
    if settings.mode != "online":  # no request to a tracker in this mode
        return ask_store(local)
    try:
        return ask_tracker()
    except (Unreachable, Busy, *_UNKNOWN) as error:
        refusal = error
    try:
        store = ask_store(local)
    except NotFound:
        raise type(refusal)(
            f"{refusal.message} The store {settings.store} does not have it either.",
            field=refusal.field,
            hint=refusal.hint,
        ) from refusal
    warn(f"{refusal.message} Found in the store {settings.store}.")
    return store
