"""No test talks to another machine, and each finds a free port."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

LOOPBACK = ("127.", "::1", "localhost")


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def guarded(connect: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
    """Return the method with every address outside this machine refused."""

    def refuse_far(self: socket.socket, address: Any) -> Any:
        near = self.family not in (socket.AF_INET, socket.AF_INET6) or str(address[0]).startswith(LOOPBACK)
        if not near:
            raise PermissionError(f"a test tried to reach {address[0]}: tests talk to loopback addresses only")
        return connect(self, address)

    return refuse_far


@pytest.fixture(autouse=True, scope="session")
def loopback_only() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
        yield
