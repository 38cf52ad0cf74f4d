"""Begins a run from a user's own script: at the tracker, under a worker, offline, or without any record."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any, Literal, Unpack, cast, get_args

from keepbest.client.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.policies import PolicySpec
from keepbest.contract.runs import ExternalSource, RunPatch, RunRequest
from keepbest.contract.runs import Run as Known
from keepbest.contract.validate import request
from keepbest.contract.workers import Assignment, Release
from keepbest.errors import Busy, Conflict, KeepbestError, LeaseLost, NotFound, Unreachable
from keepbest.journal.journal import Journal, JournalOwner
from keepbest.journal.left_over import drain_left_over
from keepbest.journal.uploader import Uploader
from keepbest.journal.values import clean, nearest_name
from keepbest.provenance.describe import find_code_folder
from keepbest.settings import Resume, RunMode, Settings, load
from keepbest.stopping import DEFAULT_STOPPER, Policy, build, parse
from keepbest.tracking import current_run
from keepbest.tracking.attach import attach
from keepbest.tracking.former_runs import end_former, note
from keepbest.tracking.history import RunHistory, read_past
from keepbest.tracking.lease import Renewer
from keepbest.tracking.notebook.cells import watch_cells
from keepbest.tracking.observer import observe
from keepbest.tracking.offline import begun_offline, change_request, keep_outcome, writable
from keepbest.tracking.opening import open_script
from keepbest.tracking.reclaim import reclaim
from keepbest.tracking.run import Run
from keepbest.tracking.run_key import find_meant, find_resume
from keepbest.tracking.run_names import MAX_NOTES, RunNames, listed, to_tags
from keepbest.tracking.stopper import Stopper, known_mode
from keepbest.tracking.takeover import TakeOver
from keepbest.tracking.wandb.ignored import IgnoredArguments, check_others
from keepbest.tracking.wandb.run_config import RunConfig
from keepbest.tracking.wandb.run_summary import find_summary
from keepbest.tracking.worker_run import begin_handed, find_handed

#: The timeout of a request. One thread both journals and sends, so a tracker that hangs must not block it for long.
REQUEST_SECONDS = 5.0
DEFAULT_MONITOR = "val_loss"
DEFAULT_PROJECT = "default"
DEFAULT = PolicySpec.model_validate(parse(DEFAULT_STOPPER))
_log = logging.getLogger("keepbest")


def init(
    project: str | None = None,
    name: str | None = None,
    config: Any = None,
    *,
    monitor: str | None = None,
    mode: Literal["max", "min", "auto", "online", "offline", "disabled"] | None = "auto",
    stopper: str | Mapping[str, Any] | Policy | None = None,
    max_steps: int | None = None,
    id: str | None = None,
    key: str | None = None,
    resume: Resume | Literal["auto"] | bool | None = None,
    dir: str | os.PathLike[str] | None = None,
    tags: Sequence[str] | None = (),
    group: str | None = None,
    job_type: str | None = None,
    notes: str | None = "",
    seed: int = 0,
    capture: bool = False,
    settings: Settings | None = None,
    **others: Unpack[IgnoredArguments],
) -> Run:
    """Begin or continue a run that this script trains, and return it.

    KEEPBEST_MODE=offline keeps the run in keepbest's folder, `disabled` keeps nothing. If the tracker does not answer,
    the run is kept offline, with a warning. In a command that a worker runs, the run is the worker's.

    Args:
        project: Project of the run (default: KEEPBEST_PROJECT, else "default"); made if it is new.
        name: Name of the run; need not be unique.
        config: A mapping, a dataclass or an `argparse.Namespace`, kept with the run; `run.config` reads and changes it.
        monitor: Metric that says which model is best; "val_loss" by default.
        mode: Which way the metric gets better: "max", "min", or "auto" for losses and Keras' own metrics. "online",
            "offline" and "disabled" say where the run is kept, in place of KEEPBEST_MODE.
        stopper: A policy, its JSON form or its text: "patience(checks=10)".
        max_steps: The step at which the run stops at the latest.
        id: Id of the run (default: KEEPBEST_RUN_ID, else a new one). A text that is no id is a key.
        key: Name under which the run goes on in a later process, on any machine: "exp-17".
        resume: Whether to continue the run with that id or key (default: KEEPBEST_RESUME, else "allow"): "allow"
            continues it or begins it, "never" raises Conflict if it exists, "must" raises NotFound if it does not. A
            configuration that differs from last time is shown, and written into the run's log.
        dir: keepbest's folder (default: KEEPBEST_DIR).
        tags: Words to find the run by.
        group: Becomes the tag `group=…`.
        job_type: Becomes the tag `job_type=…`.
        notes: Text that is shown with the run.
        seed: Seed of the script, for the record.
        capture: Keep the further output of this process as the run's log; a worker always does.
        settings: All settings at once, instead of the environment's.
        others: Arguments of W&B's `init` that have no meaning here; each warns once.

    Raises:
        InvalidInput: An argument is wrong.
        Conflict: Another process trains the run, or `resume` is "never" and the run exists.
        NotFound: `resume` is "must" and the run does not exist.

    Example:
        >>> import keepbest
        >>> with keepbest.init(monitor="val_accuracy", stopper="patience(checks=2)") as run:
        ...     for step, accuracy in enumerate([0.5, 0.7, 0.6, 0.6], start=1):
        ...         run.log({"loss": 1 / step}, step=step)
        ...         decision = run.report_validation(step, accuracy, n=5000)
        >>> decision.stop, decision.best_step, decision.best_value
        (True, 2, 0.7)
    """
    check_others(others)
    settings = settings if isinstance(settings, Settings) else load(folder=Path(dir) if dir is not None else None)
    if mode in get_args(RunMode):
        settings, mode = replace(settings, mode=cast(RunMode, mode)), "auto"
    project = nearest_name("project", project or settings.project) or DEFAULT_PROJECT
    meant = find_meant(project, id or (None if key else settings.run_id), key)
    how = find_resume(resume, settings.resume, is_named=meant.id is not None)
    chosen = RunConfig(config)
    run_request = request(
        RunRequest,
        id=meant.id,
        project=project,
        name=nearest_name("name", None if name is None else str(name)),
        source=ExternalSource(),
        parameters=chosen.to_json(),
        monitor=monitor,
        mode=mode or "auto",
        stopper=_spec_of(stopper),
        max_steps=max_steps,
        seed=seed,
        labels=meant.labels,
        tags=to_tags((*settings.tags, *listed(tags)), group=group, job_type=job_type),
        notes=clean(str(notes or ""))[:MAX_NOTES],
    )
    run = _open(run_request, how, settings, chosen, key=meant.key, capture=capture)
    if not run.fixed and monitor is None and stopper is None and max_steps is None and mode in (None, "auto"):
        run.scripted.derive_from(run)
    return run


def _open(
    run_request: RunRequest, how: Resume, settings: Settings, config: RunConfig, *, key: str | None, capture: bool
) -> Run:
    """Begin the worker's run, or one of this script, as the run that the script means from now on."""
    wanted = run_request.id if key is None else None  # a key names no other run than the worker's
    handed = find_handed(settings, wanted) if settings.mode == "online" else None
    if handed is not None:
        run = begin_handed(handed, run_request, how, settings)
    else:
        end_former()
        run = _begin(run_request, how, settings)
    run.scripted.begin_with(config, run.opening.past.parameters, run.opening.past.summary)
    current_run.begin(run)
    if handed is not None or settings.mode == "disabled":
        return run
    note(run)
    _announce(run)
    observe(run, settings, code=find_code_folder())
    if capture:
        run.keep_console()
    return run


def _announce(run: Run) -> None:
    """Say where the run is: by its card in a notebook, which follows the run, else in a line."""
    watch_cells()
    run.card.show()
    if run.card.is_shown and run.recorder.uploader is not None:
        run.recorder.uploader.watch(run.card.follow)
    elif run.url is not None:
        print(f"keepbest: run {run.id} ({run.name}) is at {run.url}", file=sys.stderr, flush=True)


def _begin(run_request: RunRequest, how: Resume, settings: Settings) -> Run:
    """Begin or continue a run of this script: with a tracker, in a folder, or without any record."""
    run_request = run_request.model_copy(
        update={"monitor": run_request.monitor or DEFAULT_MONITOR, "stopper": run_request.stopper or DEFAULT}
    )
    if settings.mode == "disabled":
        id, monitor = run_request.id or new_id(), run_request.monitor or DEFAULT_MONITOR
        return Run(id, _stopper_of(run_request), monitor=monitor, names=_name(run_request))
    return (
        _begin_online(run_request, how, settings)
        if settings.mode == "online"
        else _begin_offline(run_request, how, settings)
    )


def _begin_online(run_request: RunRequest, how: Resume, settings: Settings) -> Run:
    client, journals = Client(settings=settings), settings.dir / "journals"
    try:
        run, others = _find_or_make(client, run_request, how, journals)
        assignment = others.claim(client)
        if assignment is None:
            raise Conflict(f"Run {run.id} cannot be trained now.", field="id", hint="Begin a new run, without an id.")
        past = read_past(client, assignment) if how != "never" else RunHistory()
        past = replace(
            past, parameters=assignment.run.spec.parameters, summary=find_summary(assignment.run.environment)
        )
    except (Unreachable, Busy) as error:
        if run_request.id is not None and how != "never":
            raise
        _log.warning("keepbest: %s This run is kept offline.", error)
        return _begin_offline(run_request, how, settings)
    # Scripts that died may have left journals: send them beside training.
    Thread(target=drain_left_over, args=(journals, client), name="keepbest-left-over", daemon=True).start()
    # The uploader retries by itself, and urllib3 would warn of every attempt.
    reporting = Client(settings=settings, timeout_seconds=REQUEST_SECONDS, retries=0)
    script = _hold(assignment, reporting, journals, past)
    script.recorder.watch_life(settings.stall_seconds)
    script.url = f"{client.url}/r/{run.id}"
    return script


def _find_or_make(client: Client, run_request: RunRequest, how: Resume, journals: Path) -> tuple[Known, TakeOver]:
    """Return the run to train: the run with the chosen id if it exists and may be continued, else a new run.

    If a dead script of this machine still holds the run, this process first gives its lease back. If a living script is
    about to end, this process waits.
    """
    known = _find(client, run_request.id) if run_request.id is not None else None
    if known is None and how == "must":
        raise NotFound(f"There is no run {run_request.id} to continue.", field="id", hint='resume="allow" begins it.')
    if known is None:
        made = client.submit(run_request)
        return made, TakeOver(made.id)
    others = TakeOver(known.id)
    if how == "never":
        raise Conflict(f"Run {known.id} exists already.", field="id", hint='resume="allow" continues it.')
    if known.state.is_held:
        reclaim(journals, known.id, client, others.wait)
    _log.warning("keepbest: continuing run %s, which is %s (step %s).", known.id, known.state.value, known.step)
    return known, others


def _find(client: Client, run: str) -> Known | None:
    try:
        return client.run(run)
    except NotFound:
        return None


def _hold(assignment: Assignment, client: Client, folder: Path, past: RunHistory) -> Run:
    """Return the run of an assignment whose lease this process renews and gives back."""
    run_id, lease = assignment.run.id, assignment.lease
    renewer = Renewer(client, run_id, lease, lambda error: _log.warning("keepbest: %s Training goes on.", error))

    def give_back(release: Release) -> None:
        renewer.stop()
        try:
            client.release(run_id, lease.token, release)
        except LeaseLost as error:
            _log.warning(
                "keepbest: run %s no longer belonged to this script when the script ended: %s The tracker keeps its "
                "records as history, and ignores how this script ended. The script's checkpoints are in its store.",
                run_id,
                error.message,
            )
            raise
        except KeepbestError as error:
            _log.warning("keepbest: run %s could not be closed: %s", run_id, error)

    opening = open_script(assignment, past, assignment.next_segment)
    run = attach(assignment, client, folder, opening=opening, on_end=give_back)
    run.names.change = lambda patch: client.patch_run(run_id, patch)
    renewer.start()
    run.watch_end()
    return run


def _begin_offline(run_request: RunRequest, how: Resume, settings: Settings) -> Run:
    run_id, parent = run_request.id or new_id(), settings.dir
    folder = parent / "offline" / run_id
    with writable(parent), begun_offline(folder, run_request.model_copy(update={"id": run_id}), how) as past:
        journal = Journal.create(folder, JournalOwner(run_id, new_id(), ""))
    run = Run(
        run_id,
        _stopper_of(run_request),
        names=_name(run_request, lambda patch: change_request(folder, patch)),
        monitor=run_request.monitor or DEFAULT_MONITOR,
        uploader=Uploader(journal, None),
        first_segment=past.next_segment,
        retention=run_request.retention,
        on_end=lambda release: keep_outcome(folder, release),
    )
    run.begin(open_script(None, past, past.next_segment))
    run.watch_end()
    _log.warning("keepbest: run %s is kept in %s; `keepbest sync` sends it.", run_id, folder)
    return run


def _name(run_request: RunRequest, change: Callable[[RunPatch], object] = lambda patch: None) -> RunNames:
    about = run_request
    return RunNames(about.project, about.name or "", list(about.tags), about.notes, change)


def _spec_of(stopper: str | Mapping[str, Any] | Policy | None) -> Mapping[str, Any] | None:
    if stopper is None or isinstance(stopper, Policy):
        return stopper.to_json() if stopper is not None else None
    return parse(stopper) if isinstance(stopper, str) else build(stopper, "max").to_json()


def _stopper_of(run_request: RunRequest) -> Stopper:
    stopper = run_request.stopper.model_dump() if run_request.stopper else parse(DEFAULT_STOPPER)
    return Stopper(stopper, known_mode(run_request.mode), run_request.max_steps)
