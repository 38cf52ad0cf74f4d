"""`doctor`: checks everything that has to work, and says what to do about each fault."""

from __future__ import annotations

import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from typing import Literal

from keepbest.cli.common.completion import find_version
from keepbest.cli.common.errors import Exit
from keepbest.cli.common.formatting import clean
from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import is_terminal, new_console, print_json, say, styled, warn
from keepbest.cli.service.processes import last_words
from keepbest.cli.service.starting import WaitingNotice, is_starting
from keepbest.client.client import Client
from keepbest.contract.workers import Worker
from keepbest.errors import KeepbestError
from keepbest.figures import size
from keepbest.journal.outbox import list_refused_files
from keepbest.journal.set_aside import list_set_aside
from keepbest.settings import VERSION, Settings, load

LITTLE_BYTES = 2 * 2**30
TOO_LITTLE_BYTES = 200 * 2**20


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of one check. `next` says what to do if the state is not ok."""

    name: str
    state: Literal["ok", "warn", "fail"]
    words: str
    next: str = ""


def doctor(as_json: AsJson = False) -> int:
    """Check installation, disk, tracker, token, workers and dashboard; ends with 1 if something is wrong."""
    settings = load()
    diagnoses = [diagnosis for check in CHECKS for diagnosis in check(settings)]
    if as_json:
        print_json([asdict(diagnosis) for diagnosis in diagnoses])
    else:
        for diagnosis in diagnoses:
            show(diagnosis)
    return Exit.ERROR if any(diagnosis.state == "fail" for diagnosis in diagnoses) else Exit.OK


def show(diagnosis: Diagnosis) -> None:
    line = f"{diagnosis.state:<4}  {diagnosis.name:<10}  {clean(diagnosis.words)}"
    if is_terminal():
        new_console().print(styled(line), soft_wrap=True)
    else:
        say(line)
    if diagnosis.next:
        say(f"{'':<18}next: {diagnosis.next}")


def check_python(settings: Settings) -> Iterator[Diagnosis]:
    words = f"keepbest {VERSION} on Python {sys.version.split()[0]}"
    yield Diagnosis("keepbest", "ok", words)


def check_tensorflow(settings: Settings) -> Iterator[Diagnosis]:
    versions = {name: find_version(name) for name in ("tensorflow", "keras", "safetensors")}
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        yield Diagnosis(
            "training",
            "warn",
            f"not installed: {', '.join(missing)}; this machine can submit and watch, but not train or restore",
            "in a clone of keepbest: pip install '.[train]'",
        )
    else:
        yield Diagnosis("training", "ok", ", ".join(f"{name} {version}" for name, version in versions.items()))


def check_folder(settings: Settings) -> Iterator[Diagnosis]:
    yield from _check_writable("folder", settings.dir, "KEEPBEST_DIR")
    yield from _check_writable("store", settings.store, "KEEPBEST_STORE")
    for name in ("config.toml", "admin-token", "worker-token"):
        path = settings.dir / name
        if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield Diagnosis("secrets", "fail", f"others can read {path}", f"chmod 600 {quote(str(path))}")


def check_record(settings: Settings) -> Iterator[Diagnosis]:
    """Name each run of this machine whose entries the tracker did not take."""
    for file in list_set_aside(settings.dir):
        words = f"run {file.run}: the tracker did not take {file.entries} entries, the last: {file.what} ({file.why})"
        yield Diagnosis(
            "record", "warn", words, f"After an upgrade: keepbest sync --again. Else read {file.path}, and remove it."
        )
    for folder, names in list_refused_files(settings.dir):
        words = f"run {folder.stem}: the tracker did not take {len(names)} files, the last: {names[-1]}"
        send = f"keepbest artifacts put {folder.stem} FILE"
        yield Diagnosis("record", "warn", words, f"They are in {quote(str(folder))}. To send one again: {send}")


def check_disk(settings: Settings) -> Iterator[Diagnosis]:
    free = shutil.disk_usage(_nearest_folder(settings.store)).free
    words = f"{size(free)} free for checkpoints"
    if free < TOO_LITTLE_BYTES:
        yield Diagnosis("disk", "fail", words, "Free some space, or set KEEPBEST_STORE to another disk.")
    elif free < LITTLE_BYTES:
        yield Diagnosis("disk", "warn", words, "Large models may not fit: KEEPBEST_STORE names another disk.")
    else:
        yield Diagnosis("disk", "ok", words)


def check_tracker(settings: Settings) -> Iterator[Diagnosis]:
    """Check the tracker, its database, the token and the workers; the tracker alone if it does not answer."""
    with Client(settings=settings, timeout_seconds=5.0) as client:
        try:
            health = client.health()
        except KeepbestError as error:
            yield Diagnosis("tracker", "fail", error.message, error.hint or "keepbest up")
            return
        is_same = health.version == VERSION
        words = f"{settings.url} answers, version {health.version}"
        advice = "" if is_same else "Install the same version here and there."
        yield Diagnosis("tracker", "ok" if is_same else "warn", words, advice)
        yield _database(health.status, health.database, health.schema_revision)
        yield from _check_access(client, settings.dir)


def check_dashboard(settings: Settings) -> Iterator[Diagnosis]:
    spec = find_spec("tracker")
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        return
    if any((Path(place) / "webui_dist" / "index.html").is_file() for place in places):
        yield Diagnosis("dashboard", "ok", "built")
    else:
        yield Diagnosis("dashboard", "warn", "not built: the tracker serves its API only", "make dashboard")


CHECKS: tuple[Callable[[Settings], Iterator[Diagnosis]], ...] = (
    check_python,
    check_tensorflow,
    check_folder,
    check_disk,
    check_record,
    check_dashboard,
    check_tracker,
)


def _check_access(client: Client, folder: Path) -> Iterator[Diagnosis]:
    try:
        me = client.me()
    except KeepbestError as error:
        yield Diagnosis("token", "fail", error.message, error.hint or "keepbest login")
        return
    yield Diagnosis("token", "ok", f"{me.user}, {me.role.value}")
    try:
        alive, has_ended = wait_for_worker(client, folder)
    except KeepbestError as error:
        yield Diagnosis("workers", "warn", error.message, error.hint or "")
        return
    slots = sum(worker.slots - worker.busy for worker in alive)
    if alive:
        yield Diagnosis("workers", "ok", f"{len(alive)} alive, {slots} slots free")
    elif has_ended:
        log = folder / "logs" / "worker.log"
        yield Diagnosis("workers", "fail", f"the worker ended while it started: {last_words(log, 1)}", f"Read {log}.")
    else:
        yield Diagnosis("workers", "warn", "none alive: runs stay in the queue", "keepbest worker")


def wait_for_worker(client: Client, folder: Path) -> tuple[list[Worker], bool]:
    """Wait for a worker that is starting here. Return the live workers, and whether the starting worker ended."""
    waiting, was_starting = WaitingNotice("Waiting for the worker, which is just starting.", warn), False
    while True:
        is_there = is_starting(folder)  # asked first, because a worker registers before its lock ends
        alive = [worker for worker in client.workers().workers if worker.state == "alive"]
        if alive or not is_there:
            return alive, was_starting and not alive
        was_starting = True
        waiting.pause()


def _database(status: str, database: str | None, revision: str | None) -> Diagnosis:
    words = f"{database or 'database'}, schema {revision or 'unknown'}"
    if status == "ok":
        return Diagnosis("database", "ok", words)
    return Diagnosis(
        "database", "fail", f"{words}: {status}", "Start the tracker again: it brings the schema up to date."
    )


def _check_writable(name: str, folder: Path, variable: str) -> Iterator[Diagnosis]:
    place = _nearest_folder(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            yield Diagnosis(name, "ok", f"{folder} is writable" if folder.exists() else f"{folder} can be made")
    except OSError as error:
        words = f"{folder} is not writable: {(error.strerror or str(error)).lower()}"
        yield Diagnosis(name, "fail", words, f"Make it yours, or set {variable} to another folder.")


def _nearest_folder(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
