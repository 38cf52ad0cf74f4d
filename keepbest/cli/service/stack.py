"""Starts and ends tracker, scheduler and worker of one machine together, for `keepbest up` and `keepbest demo`."""

from __future__ import annotations

import _thread
import fcntl
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from keepbest.cli.service.processes import Children, ManagedProcess, Tell, python
from keepbest.cli.service.starting import Starting, WaitingNotice
from keepbest.client.client import Client
from keepbest.contract.access import TokenRequest
from keepbest.errors import Conflict, InvalidInput, KeepbestError, NotAuthenticated
from keepbest.settings import child_environment, write_private
from keepbest.status import Role

#: A worker asks its trainers to write a checkpoint before it leaves.
WORKER_GRACE_SECONDS = 70.0


@dataclass
class Stack:
    """Tracker, scheduler and worker that share one folder. The tracker listens on one port."""

    folder: Path
    port: int
    host: str = "127.0.0.1"
    slots: int | None = None
    data: Path | None = None
    with_worker: bool = True
    snapshot_memory: str | None = None
    tell: Tell = print
    children: Children = field(init=False)
    starting: Starting = field(init=False)
    _lock: IO[str] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.folder = self.folder.expanduser().absolute()
        self.children = Children(self.tell)
        self.starting = Starting(self.folder)

    @property
    def url(self) -> str:
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def admin_token(self) -> str:
        return (self.folder / "admin-token").read_text(encoding="utf-8").strip()

    def start(self) -> None:
        """Start the processes, and return when the tracker answers.

        Raises InvalidInput if the port is taken, KeepbestError if the tracker does not start.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_folder()
        check_port(self.host, self.port)
        self.children.start(self._child("tracker", "tracker.server"))
        self._wait_for_tracker()
        write_private(self.folder / "address", self.url)
        self.children.start(self._child("scheduler", "tracker.scheduler"))
        if self.with_worker:
            self.starting.begin()
            token = worker_token(self.url, self.admin_token, self.folder / "worker-token")
            self.children.start(self._child("worker", "worker.agent", token=token, grace_seconds=WORKER_GRACE_SECONDS))

    def client(self) -> Client:
        return Client(self.url, self.admin_token)

    def sign_in_link(self) -> str:
        """Return a new link that signs a browser in, once."""
        with self.client() as client:
            return self.url + client.make_sign_in_link().path

    def wait_for_worker(self) -> None:
        """Wait until the worker has registered, and supervise all children meanwhile.

        Raises KeepbestError with the last words of a child that keeps dying.
        """
        waiting = WaitingNotice("The worker is just starting.", self.tell)
        with self.client() as client:
            while self.with_worker and not self._is_registered(client):
                self.children.supervise()
                waiting.pause()
        self.starting.end()

    def stop(self, *, hurry: Callable[[], bool] = lambda: False) -> None:
        self.starting.end()
        self.children.stop(hurry=hurry)
        if self._lock is not None:
            with suppress(FileNotFoundError):
                (self.folder / "address").unlink()
            self._lock.close()

    def _take_folder(self) -> None:
        """Lock the folder for this service alone. The lock ends with this process, even if somebody kills it."""
        lock = (self.folder / "up.lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise Conflict(
                f"keepbest runs in {self.folder} already.", hint="End it, or name another folder: --dir DIR"
            ) from None
        self._lock = lock

    def _child(
        self, name: str, module: str, *, token: str | None = None, grace_seconds: float = 10.0
    ) -> ManagedProcess:
        environ = child_environment(
            KEEPBEST_DIR=str(self.folder),
            KEEPBEST_HOST=self.host,
            KEEPBEST_PORT=str(self.port),
            KEEPBEST_URL=self.url,
            KEEPBEST_TOKEN=token,
            KEEPBEST_RUN_ID=None,
            KEEPBEST_WORKER_SLOTS=str(self.slots) if self.slots else None,
            KEEPBEST_SNAPSHOT_MEMORY=self.snapshot_memory,
            KEEPBEST_DATA=str(self.data.expanduser().absolute()) if self.data else None,
            PYTHONUNBUFFERED="1",
        )
        log = self.folder / "logs" / f"{name}.log"
        return ManagedProcess(name, python(module), environ, log, grace_seconds)

    def _is_registered(self, client: Client) -> bool:
        process = self.children.members[-1].process
        with suppress(KeepbestError):  # the tracker may be started again just now
            return any(
                worker.state == "alive" and process is not None and worker.pid == process.pid
                for worker in client.workers().workers
            )
        return False

    def _wait_for_tracker(self) -> None:
        """Wait for the tracker's first answer as long as it lives, because migrating a large database takes long."""
        tracker = self.children.members[0]
        waiting = WaitingNotice(f"The tracker is just starting; it writes to {tracker.log}.", self.tell)
        with Client(self.url, "", timeout_seconds=2.0, retries=0) as client:
            while True:
                if not tracker.is_running():
                    raise KeepbestError(
                        f"The tracker did not start; its last words:\n{tracker.last_words()}",
                        hint=f"Read {tracker.log}, or try `keepbest doctor`.",
                    )
                with suppress(KeepbestError):
                    client.health()
                    return
                waiting.pause()


class ProcessMonitor(threading.Thread):
    """Supervises children while the main thread does something else."""

    def __init__(self, children: Children) -> None:
        super().__init__(name="process-monitor", daemon=True)
        self._children = children
        self._ending = threading.Event()
        self._error: KeepbestError | None = None

    def run(self) -> None:
        try:
            while not self._ending.wait(0.2):
                self._children.supervise()
        except KeepbestError as error:
            self._error = error
            _thread.interrupt_main()  # the main thread may wait for the dead child

    def check(self) -> None:
        """Raise the error that ended the supervision, if there is one."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self._ending.set()
        if self.is_alive():
            self.join()


def check_port(host: str, port: int) -> None:
    """Raise InvalidInput if no process can listen there."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise InvalidInput(
            f"Nothing can listen on {host}:{port}: {(error.strerror or str(error)).lower()}.",
            field="port",
            hint=f"Take another one, for example --port {port + 1}; or is keepbest running there already?",
        ) from error


def worker_token(url: str, admin_token: str, path: Path) -> str:
    """Return the worker's token from `path`, or a new one that `path` then keeps if that is not valid."""
    kept = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    if kept and _is_valid(url, kept):
        return kept
    with Client(url, admin_token) as client:
        made = client.make_token(TokenRequest(name="worker of keepbest up", role=Role.WORKER)).secret or ""
    write_private(path, made)
    return made


def _is_valid(url: str, token: str) -> bool:
    try:
        with Client(url, token) as client:
            return client.me().role is Role.WORKER
    except NotAuthenticated:
        return False
