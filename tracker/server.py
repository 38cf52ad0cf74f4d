"""The tracker's process: `python -m tracker.server` prepares the database, then serves until SIGTERM.

`python -m tracker.server openapi` prints the OpenAPI document, `… routes` the table of docs/reference/http.md.

The server is granian with one worker process (docs/reference/http.md gives the reason and figures). This process
prepares the database and watches the worker, which answers requests. The worker is forked, so nothing is imported
twice; it ends when this process does.
"""

from __future__ import annotations

import argparse
import errno
import faulthandler
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import MPServer

from keepbest.errors import InvalidInput
from keepbest.figures import figure
from keepbest.status import Role
from tracker import db, last_words
from tracker.api import openapi
from tracker.api.envelope import EXTENSION, Service, utc_now
from tracker.app import create_app
from tracker.db import Engine
from tracker.settings import TrackerSettings
from tracker.store.access import users

#: Seconds that requests in flight have after SIGTERM.
GRACE_SECONDS = 3
#: Addresses to listen on everywhere; none of them can be called.
_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104
#: Seconds after which the worker notices that its parent process has ended.
_WATCH = 0.25
#: Seconds that the worker of a killed tracker has to free the port.
_PORT_PATIENCE = 3.0


def serve(settings: TrackerSettings) -> None:
    """Prepare the database, print the tracker's address, and answer requests until a signal arrives."""
    os.umask(0o077)  # nobody else reads the database
    check_port(settings.host, settings.port)
    prepare(settings)
    server = MPServer(
        "keepbest",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=1,
        # Each stream occupies a thread; granian starts threads when needed and ends idle ones.
        blocking_threads=settings.threads + settings.streams,
        workers_kill_timeout=GRACE_SECONDS,
        respawn_failed_workers=True,
        websockets=False,
        log_level=LogLevels.error,  # reports that the worker ended and is started again
    )
    _print_signals(server)
    server.serve(target_loader=lambda *_: _load_application(settings), wrap_loader=False)
    _print("The tracker ended after a signal.")


def _print_signals(server: MPServer) -> None:
    """Print which signal ends the tracker; granian installs the handler itself, later."""
    stop = server.signal_handler_interrupt

    def print_and_stop(number: int, *more: Any) -> None:
        _print(f"The tracker got {signal.Signals(number).name}; requests in flight have {GRACE_SECONDS} s.")
        stop(number, *more)  # type: ignore[no-untyped-call]  # granian has no types here

    server.signal_handler_interrupt = print_and_stop  # type: ignore[method-assign]


def prepare(settings: TrackerSettings) -> None:
    """Make the folder, the schema and the first admin where they are missing, and print address and sign-in link."""
    settings.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = _make_engine(settings)
    try:
        bring_up_to_date(settings, engine)
        link = admit(settings, engine)
    finally:
        engine.dispose()
    host = "127.0.0.1" if settings.host in _EVERYWHERE else settings.host
    host = f"[{host}]" if ":" in host else host
    address = f"http://{host}:{settings.port}"
    _print(f"keepbest tracker at {address} (folder {settings.dir})")
    if link is not None:
        _print(f"Sign in once, within {figure(settings.sign_in_minutes)} minutes: {address}{link}")


def bring_up_to_date(settings: TrackerSettings, engine: Engine) -> None:
    """Make or upgrade the schema of an SQLite database; the owner of a Postgres one upgrades it by command."""
    with db.read(engine) as conn:
        revision = db.schema_revision(conn)
    if engine.dialect.name == "sqlite" and (revision is None or revision < db.REVISION):
        db.upgrade(settings.database_url)
    db.check_schema(engine)


def admit(settings: TrackerSettings, engine: Engine) -> str | None:
    """Make the first admin, admit the operator's worker token, and return a sign-in path for the operator.

    The token's file is written before the transaction ends: if the process is killed in between, the next start
    makes admin and file again.
    """
    now, lasts = utc_now(), timedelta(minutes=settings.sign_in_minutes)
    with db.write(engine) as conn:
        if settings.worker_token:
            users.admit_workers(conn, settings.worker_token, now)
        token = users.make_first_admin(conn, now)
        if token is not None:
            _write_private(settings.dir / "admin-token", token)
        elif not sys.stdout.isatty():
            return None  # a sign-in link does not belong in a log
        admin = users.find_admin(conn)
        return None if admin is None else users.make_link(conn, admin, Role.ADMIN, now=now, lasts=lasts).path


def check_port(host: str, port: int) -> None:
    """Raise InvalidInput when this process cannot listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deadline = time.monotonic() + _PORT_PATIENCE
    while (error := _find_obstacle(family, host, port)) is not None:
        if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
            time.sleep(_WATCH)
            continue
        raise InvalidInput(
            f"Nothing can listen on {host}:{port}: {(error.strerror or str(error)).lower()}.",
            field="port",
            hint=f"Take another port: KEEPBEST_PORT={port + 1}; or is keepbest running there already?",
        )


def _find_obstacle(family: socket.AddressFamily, host: str, port: int) -> OSError | None:
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def _load_application(settings: TrackerSettings) -> Any:
    """Return the application; runs in the forked worker process."""
    faulthandler.enable()  # prints the Python stack when a native library crashes
    threading.excepthook = last_words.log_thread_end
    app = create_app(settings, _make_engine(settings))
    hub = cast(Service, app.extensions[EXTENSION]).hub
    _on_signal(hub.close)
    threading.Thread(target=_end_after, args=(os.getppid(),), name="parent watch", daemon=True).start()
    return app


def _on_signal(act: Any) -> None:
    """Call `act` when a signal arrives, beside the handlers that granian installs after this."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def watch() -> None:
        with reader, writer:
            reader.recv(1)
            act()

    threading.Thread(target=watch, name="signal watch", daemon=True).start()


def _end_after(parent: int) -> None:
    """End this process once its parent was killed: an orphan would keep the port."""
    while os.getppid() == parent:
        time.sleep(_WATCH)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


def _make_engine(settings: TrackerSettings) -> Engine:
    return db.make_engine(
        settings.database_url, connections=settings.database_connections, busy_seconds=settings.busy_seconds
    )


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; a kill leaves all of it or nothing."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as sink:
        sink.write(f"{text}\n")
        sink.flush()
        os.fsync(sink.fileno())
    beside.replace(path)


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _print_routes(verb: str) -> None:
    """Print the OpenAPI document, or the table of routes; no database is needed."""
    with tempfile.TemporaryDirectory() as folder:
        settings = TrackerSettings(dir=Path(folder))
        app = create_app(settings, _make_engine(settings))
    document = json.dumps(openapi.document(app), indent=1, ensure_ascii=False)
    _print(document if verb == "openapi" else openapi.table(app))


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status; a failure to start prints what happened and what to do."""
    parser = argparse.ArgumentParser(prog="python -m tracker.server", description="Serve the tracker.")
    parser.add_argument("verb", nargs="?", choices=["serve", "openapi", "routes"], default="serve")
    verb = parser.parse_args(arguments).verb
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    def act() -> int:
        if verb == "serve":
            serve(TrackerSettings.load())
        else:
            _print_routes(verb)
        return 0

    return last_words.call("The tracker", act)


if __name__ == "__main__":
    sys.exit(main())
