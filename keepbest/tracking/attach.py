"""Reports a run whose lease this process already holds: a worker's trainer, or a script that has claimed its run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keepbest.contract.base import new_id
from keepbest.contract.commands import Command
from keepbest.contract.workers import Assignment, Release
from keepbest.errors import KeepbestError
from keepbest.journal.journal import Journal, JournalOwner
from keepbest.journal.uploader import UploadClient, Uploader
from keepbest.tracking.opening import Opening, OpensAtOnce
from keepbest.tracking.run import Run
from keepbest.tracking.run_names import RunNames
from keepbest.tracking.stopper import Stopper, known_mode


def attach(
    assignment: Assignment,
    client: UploadClient | None,
    journal_dir: Path,
    *,
    opening: Opening | None = None,
    on_lost: Callable[[KeepbestError], None] = lambda error: None,
    on_end: Callable[[Release], None] = lambda release: None,
    **more: Any,
) -> Run:
    """Return the run of an assignment, and begin to report it.

    Creates a journal below `journal_dir`. Opens the assignment's next segment, unless `opening` opens it another way;
    this makes the run `running`. If the process dies, an agent sends the rest of the journal under the same lease:
    `keepbest.journal.left_over.drain_left_over(journal_dir, client)`. Pass a `Client(…, timeout_seconds=5, retries=0)`:
    one thread both sends and journals, and it retries by itself. The caller renews and releases the lease: `finish` and
    `fail` send everything, then call `on_end` with the Release that says how the run ended. `more` goes to `Run`.

    The caller then does, in this order:
    - `run.set_mode(...)` if the spec's mode is `auto`;
    - `run.stopper.go_on_from(state)` with the state in the checkpoint that the run resumes from;
    - at each validation `decision = run.judge(validation)`, keep the snapshot, then
      `run.recorder.record_validation(...)`; `run.report_validation(...)` does both for a loop that keeps nothing;
    - train no further than `run.deadline()` without calling `run.judge(Validation(step))`;
    - at every batch, if `run.commands` is not empty, `run.commands.take()` and `run.commands.answer(command, ...)`;
    - on a roll back `run.branch(...)`;
    - `run.finish(...)` or `run.fail(error)`.

    After a final error (LeaseLost, NotFound, …) the uploader's thread calls `on_lost` with the error and sends nothing
    more; the journal stays.
    """
    spec, queue = assignment.run.spec, deque[Command]()
    stopper = Stopper(spec.stopper.model_dump(), known_mode(assignment.run.mode), spec.max_steps)
    if assignment.run.max_steps is not None:
        stopper.set_max_steps(assignment.run.max_steps)
    journal = Journal.create(journal_dir, JournalOwner(assignment.run.id, new_id(), assignment.lease.token))
    uploader = Uploader(journal, client, on_command=queue.append, on_lost=on_lost)
    about = assignment.run
    names = RunNames(about.project, about.name, list(about.tags), about.notes)
    given: dict[str, Any] = {
        "names": names,
        "uploader": uploader,
        "first_segment": assignment.next_segment,
        "commands": queue,
        **more,
    }
    run = Run(assignment.run.id, stopper, monitor=spec.monitor, retention=spec.retention, on_end=on_end, **given)
    run.begin(opening or OpensAtOnce(assignment))
    return run
