"""Makes a fork in database and checkpoint store; `tracker.store.forks` gives the order of the steps and its reason."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from keepbest.checkpoint import Manifest, Store
from keepbest.checkpoint.copies import Copy, make_copy, put
from keepbest.contract.base import new_id
from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.overrides import ForkRequest
from keepbest.contract.runs import Run
from keepbest.errors import NotFound
from tracker import db
from tracker.db import Engine
from tracker.settings import TrackerSettings
from tracker.store import forks, runs
from tracker.store.forks import ForkPlan


def fork(
    settings: TrackerSettings,
    engine: Engine,
    reference: str,
    request: ForkRequest,
    *,
    user: str,
    key: str | None,
    now: datetime,
) -> Run:
    """Queue a run that begins at a checkpoint of another. A request sent again under the same `key` is the same run.

    Raises NotFound where the checkpoint's files are not in the tracker's store.
    """
    store = Store(Path(settings.store), notes=settings.dir)
    with db.read(engine) as conn:
        known = forks.find_known(conn, reference, request, user, key)
        if known is not None:
            return runs.show_run(known)
        plan = forks.plan(conn, runs.get_run(conn, reference), request)
    id = new_id()
    copies = _make_copies(store, plan, id)
    with db.write(engine) as conn:
        hidden = forks.add_hidden(conn, plan, id, copies, request, user=user, now=now)
    for copy in copies:
        put(store.folder, copy)
    with db.write(engine) as conn:
        return runs.show_run(forks.reveal(conn, hidden, key, now))


def _make_copies(store: Store, plan: ForkPlan, run: str) -> list[Copy]:
    """Return copies of the start and of the best checkpoint that its stopper remembers, unless both are the same."""
    start = _read(store, plan.start)
    best = plan.find_best((start.stopper.get("policy") or {}).get("best_step"))
    others = [] if best is None or best.id == plan.start.id else [_read(store, best)]
    begins = make_copy(store.folder, start, run, "best" if best is not None and not others else "last")
    return [begins, *(make_copy(store.folder, manifest, run, "best") for manifest in others)]


def _read(store: Store, wanted: Checkpoint) -> Manifest:
    try:
        return store.read_manifest(wanted.run, wanted.id)[0]
    except NotFound as error:
        raise NotFound(
            f"The files of checkpoint {wanted.id} are not in the tracker's store: they lie in {wanted.location}.",
            field="checkpoint",
            hint="Give tracker and workers one store (KEEPBEST_STORE).",
        ) from error
