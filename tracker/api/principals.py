"""A cache of credentials with their users, and a count of failed sign-ins.

The cache saves a query for each request of a trainer that reports often. A credential that this process revokes leaves
it at once; one that another process revokes, after `SECONDS`.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from datetime import datetime, timedelta

from keepbest.errors import Busy
from tracker import db
from tracker.db import Engine
from tracker.store import shares
from tracker.store.access import users
from tracker.store.access.users import Principal

SECONDS = 2.0
#: Failed sign-ins from one address before it has to wait, and for how long they count.
FAILURES = 10
WINDOW = timedelta(minutes=1)
#: Entries at which a cache is emptied: an attacker's guesses must not fill the memory.
_MOST = 10_000


class Principals:
    """Caches the answers of `users.find_principal` and, for sessions that a link opened, of `shares.find_principal`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[tuple[str, str], tuple[Principal, datetime]] = {}
        self._lock = threading.Lock()

    def find(self, hashed: str, kind: str, now: datetime) -> Principal | None:
        """Return the principal of the valid credential with this digest, or None."""
        with self._lock:
            known = self._known.get((hashed, kind))
        if known is not None and now < known[1]:
            return known[0]
        principal = self._ask(hashed, kind, now)
        if principal is not None:
            self._remember((hashed, kind), principal, now)
        return principal

    def forget(self) -> None:
        """Empty the cache, because a credential or a user has just changed."""
        with self._lock:
            self._known.clear()

    def _ask(self, hashed: str, kind: str, now: datetime) -> Principal | None:
        with db.read(self._engine) as conn:
            if kind == "shared":
                principal = shares.find_principal(conn, hashed, now)
            else:
                principal = users.find_principal(conn, hashed, kind, now)
        if principal is not None and (principal.used_at is None or now - principal.used_at > users.TOUCH_EVERY):
            with db.write(self._engine) as conn:
                users.touch(conn, principal.credential, now)
        return principal

    def _remember(self, key: tuple[str, str], principal: Principal, now: datetime) -> None:
        until = now + timedelta(seconds=SECONDS)
        if principal.expires_at is not None:
            until = min(until, principal.expires_at)
        with self._lock:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = (principal, until)


class Attempts:
    """Counts failed sign-ins by address. Secrets are 256 bits long: this only keeps the noise down."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[datetime]] = {}
        self._lock = threading.Lock()

    def add(self, address: str, now: datetime) -> None:
        """Count a failure. Raises Busy, without counting, after `FAILURES` from this address within `WINDOW`."""
        with self._lock:
            if len(self._seen) >= _MOST:
                self._seen.clear()
            seen = self._seen.setdefault(address, deque(maxlen=FAILURES))
            if len(seen) == FAILURES and seen[0] > now - WINDOW:
                raise _too_many(seen[0] + WINDOW - now)
            seen.append(now)


def _too_many(left: timedelta) -> Busy:
    """Return the error; `left` is the time until the oldest failure no longer counts."""
    seconds = math.ceil(left.total_seconds())
    busy = Busy("Too many failed sign-ins.", hint=f"Try again in {seconds} seconds. A right token is always taken.")
    busy.retry_after = seconds
    return busy
