"""The calls without a variable: `keepbest.log({"loss": 0.5})` means the run that the script began last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keepbest.contract.base import new_id
from keepbest.errors import InvalidInput
from keepbest.tracking import current_run
from keepbest.tracking.run import Run
from keepbest.tracking.wandb.run_config import RunConfig
from keepbest.tracking.wandb.run_summary import RunSummary
from keepbest.tracking.wandb.scripted import Metric


def find_run() -> Run | None:
    """Return the run that the script began last and has not ended, or None."""
    run: Run | None = current_run.find()
    return run


def need_run(what: str) -> Run:
    """Return the run; raises InvalidInput where none has begun."""
    run = find_run()
    if run is None:
        raise InvalidInput(f"No run is open, so keepbest.{what} means none.", hint="keepbest.init(…) begins a run.")
    return run


def find_config() -> RunConfig:
    """Return the configuration of the run."""
    return need_run("config").config


def find_summary() -> RunSummary:
    """Return the summary of the run."""
    return need_run("summary").summary


def log(metrics: Mapping[str, Any], step: int | None = None, commit: bool | None = None, **_: Any) -> None:
    """Log values of the run that the script began last, as `Run.log` does."""
    need_run("log").log(metrics, step, commit)


def finish(exit_code: int | None = None, **_: Any) -> None:
    """End the run that the script began last: as failed where `exit_code` is not 0. Without a run, do nothing."""
    run = find_run()
    if run is not None:
        run.finish(exit_code=exit_code)


def define_metric(name: Any, *more: Any, **others: Any) -> Metric:
    """Say what the summary of a metric holds, as `Run.define_metric` does."""
    return need_run("define_metric").define_metric(name, *more, **others)


def save(*names: Any, **others: Any) -> list[str]:
    """Keep the files that a pattern names, as `Run.save` does."""
    return need_run("save").save(*names, **others)


def alert(title: str, text: str = "", level: Any = None, wait_duration: Any = None) -> None:
    """Write an alert into the run's log, as `Run.alert` does."""
    need_run("alert").alert(title, text, level, wait_duration)


def log_artifact(source: Any, name: str | None = None, **others: Any) -> Any:
    """Keep a file, a folder, bytes or an `Artifact` with the run, as `Run.log_artifact` does."""
    return need_run("log_artifact").log_artifact(source, name, **others)


def watch(*models: Any, **others: Any) -> list[Any]:
    """Watch no gradients, and say once what does."""
    return need_run("watch").watch(*models, **others)


def unwatch(*models: Any) -> None:
    """End no watch."""


def mark_preempting() -> None:
    """Do nothing: a run that is cut off goes on by its key."""


def login(*_: Any, **__: Any) -> bool:
    """Return True: `keepbest login` signs a machine in, and a script needs no key."""
    return True


class Utilities:
    """W&B's `util`, as far as scripts use it."""

    @staticmethod
    def generate_id(length: int = 0) -> str:
        """Return a new id for `init(id=…)`."""
        return new_id()


util = Utilities()
