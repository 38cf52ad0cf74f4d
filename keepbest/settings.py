"""Reads the settings of library and command from the environment, then from the files in keepbest's folder.

The environment wins over `<dir>/config.toml`, which `keepbest login` writes. On the machine of `keepbest up` the folder
holds the tracker's address and the admin's token, so nobody has to sign in there.
"""

from __future__ import annotations

import json
import os
import site
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, cast, get_args
from urllib.parse import urlsplit

from keepbest.errors import InvalidInput
from keepbest.memory_budget import DEFAULT_MEMORY, budget_of

VERSION = "0.1.0"
DEFAULT_PORT = 7766
DEFAULT_STALL_SECONDS = 120.0
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"
_ROOT = Path(__file__).resolve().parents[1]
RunMode = Literal["online", "offline", "disabled"]
Resume = Literal["never", "allow", "must"]
#: How much of how a run came about is recorded.
Recorded = Literal["all", "no-diff", "off"]


class Setting(NamedTuple):
    """One variable of the environment, as the help and the documentation list it."""

    name: str
    default: str
    help: str


SETTINGS = (
    Setting("KEEPBEST_URL", DEFAULT_URL, "address of the tracker"),
    Setting("KEEPBEST_TOKEN", "from `keepbest login`", "token that says who you are"),
    Setting("KEEPBEST_DIR", "~/.keepbest", "folder for the configuration, the embedded tracker and the checkpoints"),
    Setting("KEEPBEST_PROJECT", "default", "project that new runs belong to"),
    Setting("KEEPBEST_RUN_ID", "", "id or key of a script's run"),
    Setting(
        "KEEPBEST_RESUME",
        "allow",
        "whether a script goes on with the run of that name: `never`, `allow` or `must`",
    ),
    Setting("KEEPBEST_TAGS", "", "tags of a script's run, separated by commas"),
    Setting("KEEPBEST_MODE", "online", "`online`, `offline` (write the journal only) or `disabled` (do nothing)"),
    Setting("KEEPBEST_STORE", "<dir>/store", "folder of the checkpoints"),
    Setting("KEEPBEST_SNAPSHOT_MEMORY", DEFAULT_MEMORY, "memory for snapshots: `2GB`, or a part of what is free"),
    Setting("KEEPBEST_STALL_SECONDS", "120", "training stalls after so many seconds without a sign of life; 0: never"),
    Setting(
        "KEEPBEST_PROVENANCE",
        "all",
        "what is recorded of how a run came about: `all`, `no-diff` (without the uncommitted changes) or `off`",
    ),
    Setting("KEEPBEST_SYSTEM_CURVES", "1", "0 records no curves of processors, memory, disk, network and GPUs"),
    Setting("KEEPBEST_DATA", "", "folder of data sets as IDX files, with one folder for each data set"),
    Setting("KEEPBEST_ASSIGNMENT", "", "file that hands a run to a command; the worker sets it"),
    Setting("KEEPBEST_DEBUG", "", "1: the command prints the traceback of an error"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the library and the command; `load` makes them."""

    url: str
    token: str | None = field(repr=False)
    dir: Path
    project: str
    run_id: str | None
    mode: RunMode
    store: Path
    data: Path | None
    snapshot_memory: str = DEFAULT_MEMORY
    resume: Resume = "allow"
    tags: tuple[str, ...] = ()
    assignment: Path | None = None
    stall_seconds: float = DEFAULT_STALL_SECONDS
    provenance: Recorded = "all"
    has_system_curves: bool = True
    #: The numbers of the GPUs that this process may use; None: all.
    visible_gpus: tuple[int, ...] | None = None


def load(environ: Mapping[str, str] | None = None, *, folder: Path | None = None, url: str | None = None) -> Settings:
    """Read the settings; `folder` wins over KEEPBEST_DIR, `url` over everything that names a tracker.

    A command that a worker runs finds the worker's token in the file that hands over its run. keepbest never sends the
    token of one tracker to another. Raises InvalidInput that names the variable or the file with an impossible value.
    """
    given = {name: value.strip() for name, value in (os.environ if environ is None else environ).items()}
    home = (folder or Path(given.get("KEEPBEST_DIR") or "~/.keepbest")).expanduser().absolute()
    config = _read_config(home / "config.toml")
    assignment = Path(given["KEEPBEST_ASSIGNMENT"]) if given.get("KEEPBEST_ASSIGNMENT") else None
    known = check_url(config.get("url") or _read(home / "address") or DEFAULT_URL)
    address = check_url(url or given.get("KEEPBEST_URL") or known)
    return Settings(
        url=address,
        token=given.get("KEEPBEST_TOKEN")
        or _handed_token(assignment, address)
        or _kept_token(home, config, address, known),
        dir=home,
        project=given.get("KEEPBEST_PROJECT") or config.get("project") or "default",
        run_id=given.get("KEEPBEST_RUN_ID") or None,
        mode=cast(RunMode, _choose("KEEPBEST_MODE", given.get("KEEPBEST_MODE") or "online", get_args(RunMode))),
        store=Path(given.get("KEEPBEST_STORE") or home / "store").expanduser(),
        data=Path(given["KEEPBEST_DATA"]).expanduser() if given.get("KEEPBEST_DATA") else None,
        snapshot_memory=_memory(given.get("KEEPBEST_SNAPSHOT_MEMORY") or DEFAULT_MEMORY),
        resume=cast(Resume, _choose("KEEPBEST_RESUME", given.get("KEEPBEST_RESUME") or "allow", get_args(Resume))),
        tags=tuple(tag.strip() for tag in given.get("KEEPBEST_TAGS", "").split(",") if tag.strip()),
        assignment=assignment,
        stall_seconds=_stall_seconds(given.get("KEEPBEST_STALL_SECONDS") or ""),
        provenance=cast(
            Recorded, _choose("KEEPBEST_PROVENANCE", given.get("KEEPBEST_PROVENANCE") or "all", get_args(Recorded))
        ),
        has_system_curves=given.get("KEEPBEST_SYSTEM_CURVES", "") != "0",
        visible_gpus=_visible_gpus(given.get("CUDA_VISIBLE_DEVICES")),
    )


def keras_backend(environ: Mapping[str, str] | None = None) -> str:
    """Return the library that Keras will compute with where it is imported in this environment."""
    return (os.environ if environ is None else environ).get("KERAS_BACKEND") or "tensorflow"


def is_debugging() -> bool:
    """Whether the command prints tracebacks. Reads only the environment, because `load` itself may raise."""
    return os.environ.get("KEEPBEST_DEBUG", "") not in ("", "0")


def child_environment(**changed: str | None) -> dict[str, str]:
    """Return this process's environment for a child, with the changed variables set, or removed if None.

    Children start with `-P`, so that they do not import a user's own `worker.py` in place of keepbest's. If keepbest is
    not installed (a bare checkout), the environment gets the path to it.
    """
    kept = {name: value for name, value in os.environ.items() if name not in changed}
    if _ROOT not in {Path(folder).resolve() for folder in (*site.getsitepackages(), site.getusersitepackages())}:
        kept["PYTHONPATH"] = os.pathsep.join(part for part in (str(_ROOT), kept.get("PYTHONPATH", "")) if part)
    return {**kept, **{name: value for name, value in changed.items() if value is not None}}


def save_login(folder: Path, *, url: str, token: str) -> Path:
    """Keep address and token in `<folder>/config.toml`, readable by its owner only; return the file."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "config.toml"
    config = {**_read_config(path), "url": check_url(url), "token": token}
    write_private(path, "".join(f"{name} = {json.dumps(value)}\n" for name, value in sorted(config.items())))
    return path


def write_private(path: Path, text: str | bytes) -> None:
    """Write a file that only its owner can read. It replaces `path` as a whole or, after a crash, not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        beside.unlink()
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode() if isinstance(text, str) else text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def check_url(url: str) -> str:
    """Return the tracker's address without a trailing slash; raises InvalidInput if it is no address."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or not url.isascii() or parts.username or parts.query or parts.fragment:
        raise InvalidInput(
            "The tracker's address is not an http or https address.",
            field="KEEPBEST_URL",
            hint=f"Give it like {DEFAULT_URL}, without user, password or query.",
        )
    return url.rstrip("/")


def _kept_token(home: Path, config: Mapping[str, str], address: str, known: str) -> str | None:
    """Return the token of `keepbest login` if it is for this tracker, else the admin's for one on this machine."""
    if "token" in config and address == known:
        return config["token"]
    is_here = urlsplit(address).hostname in ("127.0.0.1", "localhost", "::1")
    return _read(home / "admin-token") if is_here else None


def _handed_token(assignment: Path | None, address: str) -> str | None:
    """Return the token that a worker hands to its command, if `address` is that of the worker's tracker."""
    if assignment is None:
        return None
    try:
        handed = json.loads(assignment.read_bytes())
        return str(handed["token"]) if handed["url"] == address else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # `keepbest.init` reports what is wrong with the file


def _choose(variable: str, word: str, words: tuple[str, ...]) -> str:
    if word not in words:
        message = f"{variable} is {', '.join(words[:-1])} or {words[-1]}, but got {word!r}."
        raise InvalidInput(message, field=variable)
    return word


def _visible_gpus(text: str | None) -> tuple[int, ...] | None:
    """Return the numbers in CUDA_VISIBLE_DEVICES; None without it, or where it names GPUs by another name."""
    parts = text.split(",") if text else []
    if text is None or not all(part.strip().isdecimal() for part in parts):
        return () if text in ("-1", "NoDevFiles") else None
    return tuple(int(part) for part in parts)


def _memory(text: str) -> str:
    budget_of(text)  # checks the text only: the budget itself depends on what is free later
    return text


def _stall_seconds(text: str) -> float:
    if text and not text.isdecimal():
        message = f"KEEPBEST_STALL_SECONDS is a whole number of seconds, or 0, but got {text!r}."
        raise InvalidInput(message, field="KEEPBEST_STALL_SECONDS")
    return float(text) if text else DEFAULT_STALL_SECONDS


def _read_config(path: Path) -> dict[str, str]:
    text = _read(path)
    if text is None:
        return {}
    import tomllib  # 12 ms that most imports of keepbest do not need

    try:
        config = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(
            f"{path} cannot be read: {error}.", field="config.toml", hint="Write it anew with `keepbest login`."
        ) from error
    return {name: value for name, value in config.items() if isinstance(value, str)}


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{path} cannot be read: {error}.", field=path.name, hint="Check who owns the file, or remove it."
        ) from error
