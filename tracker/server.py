"""The tracker's process: `python -m tracker.server` prepares the database, then serves until SIGTERM.

`python -m tracker.server openapi` prints the OpenAPI document, `… routes` the table of docs/reference/http.md.

The server is granian with one worker (docs/reference/http.md says why, with numbers): this process prepares, and
looks after the worker, which answers. The worker is forked, so nothing is imported twice; the worker
ends when this process does.
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
#: To listen on all addresses; none of them to call.
_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104
#: Seconds after which the worker notices that it was left alone.
_WATCH = 0.25
#: Seconds in which the worker of a tracker that was killed outright gives its port free.
_PORT_PATIENCE = 3.0


def serve(settings: TrackerSettings) -> None:
    """Prepare the database, say where the tracker is, and answer until a signal ends it."""
    os.umask(0o077)  # the database holds everybody's work
    check_port(settings.host, settings.port)
    prepare(settings)
    server = MPServer(
        "keepbest",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=1,
        # A stream keeps its thread; threads are made when they are needed and go when they are idle.
        blocking_threads=settings.threads + settings.streams,
        workers_kill_timeout=GRACE_SECONDS,
        respawn_failed_workers=True,
        websockets=False,
        log_level=LogLevels.error,  # that the process which answers ended, and is started anew
    )
    _note_signals(server)
    server.serve(target_loader=lambda *_: _work(settings), wrap_loader=False)
    _say("The tracker ended: it was asked to.")


def _note_signals(server: MPServer) -> None:
    """Say which signal ends us: granian sets the handlers itself, later."""
    stop = server.signal_handler_interrupt

    def note(number: int, *more: Any) -> None:
        _say(f"The tracker got {signal.Signals(number).name}; what is in flight has {GRACE_SECONDS} s.")
        stop(number, *more)  # type: ignore[no-untyped-call]  # granian types it not

    server.signal_handler_interrupt = note  # type: ignore[method-assign]


def prepare(settings: TrackerSettings) -> None:
    """Make folder, schema and first admin where they are missing; raises what stands in the way."""
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
    _say(f"keepbest tracker at {address} (folder {settings.dir})")
    if link is not None:
        _say(f"Sign in once, within {settings.sign_in_minutes:g} minutes: {address}{link}")


def bring_up_to_date(settings: TrackerSettings, engine: Engine) -> None:
    """Make or upgrade the schema of an embedded database; a shared one is upgraded by whoever owns it."""
    with db.read(engine) as conn:
        revision = db.schema_revision(conn)
    if engine.dialect.name == "sqlite" and (revision is None or revision < db.REVISION):
        db.upgrade(settings.database_url)
    db.check_schema(engine)


def admit(settings: TrackerSettings, engine: Engine) -> str | None:
    """Make the first admin and let the operator's workers in; return a sign-in path for whoever started this.

    The token's file is written before the transaction ends: killed between the two, the next start makes it anew.
    """
    now, lasts = utc_now(), timedelta(minutes=settings.sign_in_minutes)
    with db.write(engine) as conn:
        if settings.worker_token:
            users.admit_workers(conn, settings.worker_token, now)
        token = users.make_first_admin(conn, now)
        if token is not None:
            _write_private(settings.dir / "admin-token", token)
        elif not sys.stdout.isatty():
            return None  # not for a log: `keepbest login` knows other ways
        admin = users.find_admin(conn)
        return None if admin is None else users.make_link(conn, admin, Role.ADMIN, now=now, lasts=lasts).path


def check_port(host: str, port: int) -> None:
    """Raise InvalidInput when nobody can listen there."""
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


def _work(settings: TrackerSettings) -> Any:
    """Return the application; runs in the worker process, which is forked for it."""
    faulthandler.enable()  # where Python was when a native library crashed
    threading.excepthook = last_words.tell_thread
    app = create_app(settings, _make_engine(settings))
    hub = cast(Service, app.extensions[EXTENSION]).hub
    _on_signal(hub.close)
    threading.Thread(target=_end_with, args=(os.getppid(),), name="parent watch", daemon=True).start()
    return app


def _on_signal(act: Any) -> None:
    """Call `act` when a signal arrives, whoever handles it: granian sets its own handlers after this."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def watch() -> None:
        with reader, writer:
            reader.recv(1)
            act()

    threading.Thread(target=watch, name="signal watch", daemon=True).start()


def _end_with(parent: int) -> None:
    """End when the main process was killed outright: an orphan would keep the port."""
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
    """Write a file that only its owner reads, whole or not at all."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as sink:
        sink.write(f"{text}\n")
        sink.flush()
        os.fsync(sink.fileno())
    beside.replace(path)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _print_about(verb: str) -> None:
    """Print what is made from the routes; no database is needed for that."""
    with tempfile.TemporaryDirectory() as folder:
        settings = TrackerSettings(dir=Path(folder))
        app = create_app(settings, _make_engine(settings))
    document = json.dumps(openapi.document(app), indent=1, ensure_ascii=False)
    _say(document if verb == "openapi" else openapi.table(app))


def main(arguments: list[str] | None = None) -> int:
    """Return the exit status; every failure to start is one line, and one that says what to do."""
    parser = argparse.ArgumentParser(prog="python -m tracker.server", description="Serve the tracker.")
    parser.add_argument("verb", nargs="?", choices=["serve", "openapi", "routes"], default="serve")
    verb = parser.parse_args(arguments).verb
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    def act() -> int:
        if verb == "serve":
            serve(TrackerSettings.load())
        else:
            _print_about(verb)
        return 0

    return last_words.call("The tracker", act)


if __name__ == "__main__":
    sys.exit(main())
