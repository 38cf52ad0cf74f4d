"""Reads the worker's settings from the environment, once: the library's and its own."""

from __future__ import annotations

import os
import re
import site
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import keepbest.settings
from keepbest.contract.base import NAME_PATTERN
from keepbest.errors import InvalidInput
from keepbest.model.backend import refuse_backend
from keepbest.settings import Setting

SETTINGS = (
    Setting("KEEPBEST_WORKER_NAME", "host name", "name under which the worker is shown"),
    Setting("KEEPBEST_WORKER_SLOTS", "1", "runs trained at the same time"),
    Setting("KEEPBEST_WORKER_LABELS", "", "what this worker offers, as key=value,key=value; runs may ask for labels"),
    Setting("KEEPBEST_WORKER_RECIPES_ONLY", "", "1 refuses runs that bring their own code"),
    Setting(
        "KEEPBEST_WORKER_DETERMINISTIC", "1", "0 lets TensorFlow choose kernels that are faster and not repeatable"
    ),
    Setting("KEEPBEST_WORKER_GRACE_SECONDS", "60", "time for a trainer to write its checkpoint when the worker leaves"),
    Setting("KEEPBEST_WORKER_STANDBY", "1", "0 keeps no process waiting that has imported TensorFlow for the next run"),
)

#: glibc gives big blocks back to the system at once, and gets fresh, zeroed pages for the next ones. With snapshots by
#: reference, each step would copy into fresh pages. These settings make glibc keep them (figures:
#: docs/explanation/snapshots.md).
MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(2**32),
    "MALLOC_TRIM_THRESHOLD_": str(2**36),
    "MALLOC_TOP_PAD_": str(2**26),
}
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The settings of the agent, made by `load`. `environ` is the environment of its trainers."""

    url: str
    token: str | None = field(repr=False)
    folder: Path
    store: Path
    data: Path | None
    name: str
    slots: int
    labels: dict[str, str]
    recipes_only: bool
    deterministic: bool
    grace_seconds: float
    standby: bool
    stall_seconds: float
    provenance: keepbest.settings.Recorded
    environ: dict[str, str] = field(repr=False)


def load(environ: Mapping[str, str] | None = None) -> WorkerSettings:
    """Read the settings. Raises InvalidInput, which names the variable, for an impossible value."""
    given = dict(os.environ if environ is None else environ)
    shared = keepbest.settings.load(given)
    if (backend := keepbest.settings.keras_backend(given)) != "tensorflow":
        raise refuse_backend(backend)
    return WorkerSettings(
        url=shared.url,
        token=shared.token,
        folder=shared.dir / "worker",
        store=shared.store.absolute(),
        data=shared.data.absolute() if shared.data else None,
        name=_name(given.get("KEEPBEST_WORKER_NAME", "")),
        slots=_slots(given.get("KEEPBEST_WORKER_SLOTS", "").strip() or "1"),
        labels=_labels(given.get("KEEPBEST_WORKER_LABELS", "")),
        recipes_only=given.get("KEEPBEST_WORKER_RECIPES_ONLY", "") not in ("", "0"),
        deterministic=given.get("KEEPBEST_WORKER_DETERMINISTIC", "") != "0",
        grace_seconds=_seconds(given.get("KEEPBEST_WORKER_GRACE_SECONDS", "").strip() or "60"),
        stall_seconds=shared.stall_seconds,
        provenance=shared.provenance,
        standby=given.get("KEEPBEST_WORKER_STANDBY", "") != "0",
        environ=trainer_environ(given),
    )


def trainer_environ(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return a trainer's environment, without the token, with the allocator's settings and the path of this package."""
    kept = {name: value for name, value in inherited.items() if name != "KEEPBEST_TOKEN"}
    defaults = {"TF_CPP_MIN_LOG_LEVEL": "2", **MALLOC}
    return {**defaults, **kept, "PYTHONUNBUFFERED": "1", "PYTHONPATH": _python_path(kept.get("PYTHONPATH", ""))}


def command_environ(run_settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a user's command: the worker's, with the settings of the run and its interpreter first.

    It leaves out the worker's token and its setting to resume.
    """
    kept = {name: value for name, value in os.environ.items() if name not in ("KEEPBEST_TOKEN", "KEEPBEST_RESUME")}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    return {**kept, "PATH": path, "KEEPBEST_DIR": str(keepbest.settings.load(kept).dir), **run_settings}


def _python_path(inherited: str) -> str:
    """Return the Python path of trainers, which names this checkout if it is not installed."""
    installed = {Path(folder).resolve() for folder in (*site.getsitepackages(), site.getusersitepackages())}
    own = [] if _ROOT in installed else [str(_ROOT)]
    return os.pathsep.join([*own, *(part for part in inherited.split(os.pathsep) if part)])


def _name(given: str) -> str:
    host = re.sub(r"[^A-Za-z0-9 ._/-]", "-", socket.gethostname()).strip("-._/ ") or "worker"
    name = given.strip() or host[:100]
    if not re.fullmatch(NAME_PATTERN, name):
        raise InvalidInput(f"A worker cannot be called {name!r}.", field="KEEPBEST_WORKER_NAME")
    return name


def _slots(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise InvalidInput(
            f"The slots of a worker are a whole number from 1 to 1000, but got {text!r}.",
            field="KEEPBEST_WORKER_SLOTS",
        )
    return int(text)


def _seconds(text: str) -> float:
    if not text.isdecimal():
        raise InvalidInput(
            f"The grace is a whole number of seconds, but got {text!r}.", field="KEEPBEST_WORKER_GRACE_SECONDS"
        )
    return float(text)


def _labels(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if any(not key.strip() or not sign for key, sign, _ in pairs):
        raise InvalidInput(f"Labels are written key=value,key=value, but got {text!r}.", field="KEEPBEST_WORKER_LABELS")
    return {key.strip(): value.strip() for key, _, value in pairs}
