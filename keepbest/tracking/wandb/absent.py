"""The names of W&B that keepbest lacks: each warns once and names the nearest thing, and never stops a training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from keepbest.hints import nearest
from keepbest.tracking.wandb.warnings import warn_once

_QUEUE = "`keepbest sweep` tries parameters: docs/howto/sweep.md"
_RUNS = "keepbest.runs('…') finds runs"
_CALLBACK = "keepbest.KeepBest is the callback for Keras: it logs, keeps the best and stops"
_LIBRARY = "log its values with keepbest.log, or let it report to MLflow's API of the tracker"
_RECORDED = "a run records its code, packages and machine by itself"
_LOGIN = "`keepbest login` signs this machine in"
_FILE = "run.log_artifact keeps any file, run.log_text and run.log_table texts and tables"

#: What W&B's package has and keepbest has not, with the nearest thing.
NEAREST = {
    "sweep": _QUEUE, "agent": f"{_QUEUE}; the function is not called", "controller": _QUEUE,
    "Api": _RUNS, "apis": _RUNS, "PublicApi": _RUNS,
    "setup": _LOGIN, "teardown": _LOGIN, "ensure_configured": _LOGIN, "Settings": "arguments of keepbest.init",
    "require": "nothing is needed", "join": "keepbest.finish", "attach": "keepbest.init(key='…') goes on with a run",
    "integration": _CALLBACK, "tensorflow": _CALLBACK, "WandbCallback": _CALLBACK, "WandbMetricsLogger": _CALLBACK,
    "WandbModelCheckpoint": _CALLBACK, "WandbEvalCallback": _CALLBACK,
    "tensorboard": "`keepbest import tensorboard LOGDIR` reads such files", "jupyter": "keepbest.run shows a card",
    "sklearn": _LIBRARY, "xgboost": _LIBRARY, "lightgbm": _LIBRARY, "catboost": _LIBRARY, "gym": _LIBRARY,
    "sacred": _LIBRARY, "fastai": _LIBRARY, "lightning": _LIBRARY,
    "Classes": _FILE, "JoinedTable": _FILE, "EvalTable": _FILE, "Graph": "run.log_graph draws a network",
    "Plotly": _FILE, "data_types": _FILE, "ArtifactTTL": _FILE, "box3d": _FILE, "visualize": _FILE,
    "link_model": _FILE, "log_model": _FILE, "use_model": "keepbest.restore, or run.use_artifact",
    "log_code": _RECORDED, "env": "the settings KEEPBEST_…", "sdk": "keepbest.init", "profiler": _RECORDED,
    "termlog": "print", "termwarn": "print", "termerror": "print", "termsetup": "print",
    "trigger": "keepbest.alert", "pin_config_keys": "the columns of the list of runs",
    "patched": "nothing is needed", "sagemaker_auth": _LOGIN, "docker": _RECORDED, "launch": _QUEUE,
    "Evaluation": _LIBRARY, "weave": _LIBRARY,
}  # fmt: skip
#: The same of W&B's run.
NEAREST_OF_RUN = {
    "entity": "a project", "path": "run.id and run.project", "mark_preempting": "keepbest.init(key=…)",
    "log_code": _RECORDED, "log_model": _FILE, "link_model": _FILE, "link_artifact": _FILE, "upsert_artifact": _FILE,
    "finish_artifact": _FILE, "use_model": "keepbest.restore, or run.use_artifact", "restore": "run.use_artifact",
    "config_static": "run.config", "display": "run", "to_html": "run", "status": "run.url", "project_url": "run.url",
    "sweep_id": _QUEUE, "sweep_url": _QUEUE, "settings": "the settings KEEPBEST_…", "start_time": "the run's page",
    "pin_config_keys": "the columns of the list of runs", "write_logs": "keepbest.init(capture=True)",
    "use_run": _RUNS, "join": "run.finish", "plot_table": "run.log_table", "watch_called": "run.log_histogram",
}  # fmt: skip
#: The same of arguments of W&B's `init`.
IGNORED = {
    "entity": "a project belongs to everybody who uses the tracker; put a group's name into its name",
    "reinit": "a new run ends the one that its thread left open",
    "save_code": _RECORDED, "monitor_gym": _FILE, "magic": "log what matters with run.log",
    "sync_tensorboard": "`keepbest import tensorboard LOGDIR --watch` reads such files",
    "tensorboard": "`keepbest import tensorboard LOGDIR --watch` reads such files",
    "force": "`keepbest login` signs this machine in", "anonymous": _LOGIN,
    "allow_val_change": "a changed value is recorded, and the run's log has the value before",
    "config_exclude_keys": "leave them out of `config`", "config_include_keys": "leave the others out of `config`",
    "resume_from": "`keepbest fork RUN --step N` begins a run at a checkpoint",
    "fork_from": "`keepbest fork RUN --step N` begins a run at a checkpoint",
    "sweep_id": _QUEUE,
}  # fmt: skip


class Absent:
    """Stands for something that keepbest lacks: any call, attribute or item of it is such a thing again."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return Absent(f"{self._name}.{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        """Forget the value."""

    def __call__(self, *_: Any, **__: Any) -> Any:
        return Absent(f"{self._name}()")

    def __getitem__(self, key: Any) -> Any:
        return Absent(f"{self._name}[…]")

    def __setitem__(self, key: Any, value: Any) -> None:
        """Forget the value."""

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __reduce__(self) -> tuple[Any, ...]:
        return Absent, (self._name,)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __repr__(self) -> str:
        return f"<{self._name}: not in keepbest>"


def stand_in(name: str, key: str, known: dict[str, str] = NEAREST) -> Absent:
    """Return what stands for a missing name, with one warning that names the nearest thing."""
    warn_once(f"{name} is not in keepbest; nearest: {known.get(key, _FILE)}.")
    return Absent(name)


def find_absent(name: str, known: Iterable[str]) -> Absent:
    """Return what stands for a name of W&B's package; raises AttributeError for a name that nobody knows."""
    if name in NEAREST:
        return stand_in(name, name)
    hint = "" if name.startswith("_") else f". {nearest(name, sorted(known))}"
    raise AttributeError(f"module 'keepbest' has no attribute {name!r}{hint}", name=name)


def warn_ignored(name: str) -> None:
    """Warn once of an argument of `init` that has no meaning here."""
    warn_once(f"init({name}=…) is ignored: {IGNORED[name]}.")
