"""The tracker's settings, read once from the environment into one frozen object. No other module reads them.

Each setting is declared once, with its default and a line of help; `describe` prints them for the command and docs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from keepbest.errors import InvalidInput

PREFIX = "KEEPBEST_"


@dataclass(frozen=True, slots=True)
class TrackerSetting:
    """One row of `SETTINGS`: its environment `variable`, default and meaning."""

    name: str
    variable: str
    default: Any
    help: str


def setting(default: Any, help: str, *, secret: bool = False) -> Any:
    """Declare one setting."""
    return field(default=default, repr=not secret, metadata={"help": help})


@dataclass(frozen=True, kw_only=True)
class TrackerSettings:
    """Every setting of the tracker and its scheduler."""

    dir: Path = setting(Path("~/.keepbest"), "folder for the database, the checkpoint store and the admin token")
    database_url: str = setting("", "SQLAlchemy address; empty: SQLite in <dir>/tracker.db", secret=True)
    store: str = setting("", "checkpoint store; empty: <dir>/store")
    host: str = setting("127.0.0.1", "address to listen on; any other than loopback lets the network in")
    port: int = setting(7766, "port to listen on")
    worker_token: str = setting("", "token that workers may use from the first start on", secret=True)
    secure_cookie: bool = setting(False, "send the sign-in cookie over HTTPS only; set it behind a TLS proxy")
    trusted_origins: str = setting("", "further origins the dashboard is served from, separated by commas")
    trusted_proxies: str = setting("", "addresses or networks of proxies whose X-Forwarded headers count, by commas")
    threads: int = setting(16, "threads that answer requests, streams not counted")
    streams: int = setting(250, "live streams (SSE) at once; past it the dashboard polls")
    database_connections: int = setting(20, "connections to Postgres that one process keeps")
    busy_seconds: float = setting(15.0, "how long a request waits for a locked database before it answers 503")
    max_body_bytes: int = setting(32 * 2**20, "largest request body")
    artifact_bytes: int = setting(5_000_000_000, "largest file that a run keeps as an artifact")
    run_artifacts: int = setting(10_000, "most artifacts of one run, older versions counted")
    run_artifact_bytes: int = setting(100_000_000_000, "most bytes of one run's artifacts, older versions counted")
    archive_bytes: int = setting(100_000_000_000, "most bytes of the archives that one person is bringing")
    artifact_versions: int = setting(10, "versions of an artifact that stay; older ones go with the garbage")
    lease_seconds: float = setting(30.0, "how long a worker's right to a run lasts without renewal")
    silent_seconds: float = setting(30.0, "after this much silence a worker is shown as silent")
    gone_seconds: float = setting(300.0, "after this much silence a worker is shown as gone")
    forget_days: float = setting(30.0, "a worker gone this long is forgotten")
    session_days: float = setting(30.0, "how long a browser stays signed in")
    sign_in_minutes: float = setting(15.0, "how long a one-time sign-in link works")
    event_days: float = setting(14.0, "events older than this are pruned")
    expire_every_seconds: float = setting(2.0, "how often the scheduler looks for expired leases")
    collect_every_seconds: float = setting(600.0, "how often the scheduler drops checkpoints that retention lets go")
    trash_hours: float = setting(24.0, "how long a dropped checkpoint can be had back")
    compact_every_seconds: float = setting(10.0, "how often the scheduler compacts metrics")

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **given: Any) -> TrackerSettings:
        """Read the environment (`KEEPBEST_PORT=…`); `given` goes first. Raises InvalidInput that names the variable."""
        source = os.environ if environ is None else environ
        read = {
            row.name: _typed(row, source[row.variable])
            for row in SETTINGS
            if row.variable in source and source[row.variable] != ""
        }
        return cls(**{**read, **{name: value for name, value in given.items() if value is not None}})

    def __post_init__(self) -> None:
        folder = Path(self.dir).expanduser().absolute()
        object.__setattr__(self, "dir", folder)
        if not self.database_url:
            object.__setattr__(self, "database_url", f"sqlite:///{folder / 'tracker.db'}")
        if not self.store:
            object.__setattr__(self, "store", str(folder / "store"))


SETTINGS: tuple[TrackerSetting, ...] = tuple(
    TrackerSetting(row.name, PREFIX + row.name.upper(), row.default, row.metadata["help"])
    for row in fields(TrackerSettings)
)


def describe() -> Iterator[str]:
    """Yield one line for each setting: variable, meaning, default."""
    width = max(len(row.variable) for row in SETTINGS)
    for row in SETTINGS:
        yield f"{row.variable:<{width}}  {row.help} (default: {row.default if row.default != '' else 'empty'})"


def _typed(row: TrackerSetting, text: str) -> Any:
    kind = type(row.default)
    try:
        return _SWITCH[text.strip().lower()] if kind is bool else kind(text.strip())
    except (ValueError, KeyError):
        raise InvalidInput(
            f"{row.variable} must be {_WORDS[kind]}, but got {text!r}.",
            field=row.variable,
            hint=f"{row.variable} is the {row.help}; the default is {row.default}.",
        ) from None


_SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_WORDS: dict[type, str] = {int: "a whole number", float: "a number", bool: "true or false"}
