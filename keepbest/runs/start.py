"""Beginning a run from a user's own script: at the tracker, offline, or heard by nobody."""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Any, Literal

from pydantic import ValidationError

from keepbest.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.runs import ExternalSource, RunRequest
from keepbest.contract.workers import Assignment, Claim, Release
from keepbest.errors import Busy, Conflict, InvalidInput, KeepbestError, Unreachable
from keepbest.reporting.journal import About, Journal, drain_left_over
from keepbest.reporting.reporter import Reporter
from keepbest.reporting.values import to_json
from keepbest.runs.judge import Judge
from keepbest.runs.offline import keep_outcome, keep_request
from keepbest.runs.renewal import Renewer
from keepbest.runs.run import Run, known_mode
from keepbest.settings import Settings, load
from keepbest.stopping import DEFAULT_STOPPER, Policy, build, parse

#: One thread both journals and sends: a tracker that hangs must not hold it for long.
REQUEST_SECONDS = 5.0

_log = logging.getLogger("keepbest")


def init(
    project: str | None = None,
    name: str | None = None,
    config: Mapping[str, Any] | None = None,
    *,
    monitor: str = "val_loss",
    mode: Literal["max", "min", "auto"] = "auto",
    stopper: str | Mapping[str, Any] | Policy | None = None,
    max_steps: int | None = None,
    resume: str | None = None,
    dir: str | os.PathLike[str] | None = None,
    tags: Sequence[str] = (),
    notes: str = "",
    seed: int = 0,
    settings: Settings | None = None,
) -> Run:
    """Begin a run that this script trains, and return it.

    `config` is kept with the run. `stopper` is a policy, its JSON form or its text: "patience(checks=10)". `resume`
    names a run of a script that was handed back to the queue. `dir` is keepbest's folder, KEEPBEST_DIR by default.
    KEEPBEST_MODE=offline keeps the run in that folder, `disabled` keeps nothing. Where the tracker does not answer,
    the run is kept offline, with a warning.

    Raises InvalidInput for a wrong argument, and what the tracker raises when it refuses the run.
    """
    settings = settings or load(folder=Path(dir) if dir is not None else None)
    request = _check_request(
        project=project or settings.project,
        name=name,
        source=ExternalSource(),
        parameters=to_json(config or {}),
        monitor=monitor,
        mode=mode,
        stopper=_spec_of(stopper),
        max_steps=max_steps,
        seed=seed,
        tags=list(tags),
        notes=notes,
    )
    if settings.mode == "disabled":
        return Run(new_id(), _judge_of(request), monitor=monitor)
    if settings.mode == "offline":
        return _begin_offline(request, settings.dir)
    return _begin_online(request, resume or settings.run_id, settings)


def _check_request(**fields: Any) -> RunRequest:
    try:
        return RunRequest.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise InvalidInput(f"{field}: {first['msg']}, but got {first['input']!r:.100}.", field=field) from None


def _begin_online(request: RunRequest, resume: str | None, settings: Settings) -> Run:
    client = Client(settings=settings)
    try:
        run = client.run(resume).id if resume else client.submit(request).id
        assignment = client.claim(Claim(run=run))
    except (Unreachable, Busy) as error:
        if resume:
            raise
        _log.warning("keepbest: %s This run is kept offline.", error)
        return _begin_offline(request, settings.dir)
    if assignment is None:
        raise Conflict(f"Run {run} cannot be trained now: somebody else holds it, or it has ended.", field="resume")
    _send_left_over(settings.dir / "journals", client)
    # The reporter tries again in its own time, and urllib3 would warn of every attempt.
    client = Client(settings=settings, timeout_seconds=REQUEST_SECONDS, retries=0)
    return _hold(assignment, client, settings.dir / "journals")


def _hold(assignment: Assignment, client: Client, folder: Path) -> Run:
    """Return the run of an assignment whose lease this process keeps and gives back itself."""
    run_id, lease = assignment.run.id, assignment.lease
    renewer = Renewer(client, run_id, lease, lambda error: _log.warning("keepbest: %s Training goes on.", error))

    def give_back(release: Release) -> None:
        renewer.stop()
        try:
            client.release(run_id, lease.token, release)
        except KeepbestError as error:
            _log.warning("keepbest: run %s could not be closed: %s", run_id, error)

    run = Run.attach(assignment, client, folder, on_end=give_back)
    renewer.start()
    atexit.register(run.end_at_exit)
    return run


def _begin_offline(request: RunRequest, parent: Path) -> Run:
    run_id = new_id()
    folder = parent / "offline" / run_id
    keep_request(folder, request)
    journal = Journal.create(folder, About(run_id, new_id(), ""))
    run = Run(
        run_id,
        _judge_of(request),
        monitor=request.monitor or "val_loss",
        reporter=Reporter(journal, None),
        retention=request.retention,
        on_end=lambda release: keep_outcome(folder, release),
    )
    run.begin(None)
    atexit.register(run.end_at_exit)
    _log.warning("keepbest: run %s is kept in %s; `keepbest sync` sends it.", run_id, folder)
    return run


def _send_left_over(folder: Path, client: Client) -> None:
    """Send, beside training, what scripts that died before this one left in their journals."""
    Thread(target=drain_left_over, args=(folder, client), name="keepbest-left-over", daemon=True).start()


def _spec_of(stopper: str | Mapping[str, Any] | Policy | None) -> Mapping[str, Any]:
    if isinstance(stopper, Policy):
        return stopper.to_json()
    return parse(stopper or DEFAULT_STOPPER) if not isinstance(stopper, Mapping) else build(stopper, "max").to_json()


def _judge_of(request: RunRequest) -> Judge:
    stopper = request.stopper.model_dump() if request.stopper else parse(DEFAULT_STOPPER)
    return Judge(stopper, known_mode(request.mode), request.max_steps)
