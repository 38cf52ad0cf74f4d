"""Who really asks, behind a proxy that the operator named: everybody else's X-Forwarded headers are not believed."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.middleware.proxy_fix import ProxyFix

from keepbest.errors import InvalidInput

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def behind(app: WsgiApp, named: str) -> WsgiApp:
    """Return `app` as it is reached through proxies with these addresses or networks, separated by commas.

    A request from one of them has the client's address, scheme and host that the proxy says; with a chain of named
    proxies the address is the last one that is not a proxy's.

    Raises:
        InvalidInput: One of them is no address.
    """
    networks = read_networks(named)
    if not networks:
        return app

    def run(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not _is_in(networks, environ.get("REMOTE_ADDR", "")):
            return app(environ, start_response)
        hops = _count_hops(networks, environ.get("HTTP_X_FORWARDED_FOR", ""))
        return ProxyFix(app, x_for=hops, x_proto=1, x_host=1)(environ, start_response)

    return run


def read_networks(named: str) -> tuple[Network, ...]:
    """Return the networks that a setting names. Raises InvalidInput for what is none."""
    try:
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in named.split(",") if part.strip())
    except ValueError as error:
        raise InvalidInput(
            f"KEEPBEST_TRUSTED_PROXIES: {error}.",
            field="KEEPBEST_TRUSTED_PROXIES",
            hint="Name addresses or networks, separated by commas: 10.0.0.5, 172.16.0.0/12.",
        ) from None


def _count_hops(networks: tuple[Network, ...], forwarded: str) -> int:
    """Return the place of the client from the end of the header: behind all named proxies."""
    addresses = [part.strip() for part in forwarded.split(",")]
    behind = next((i for i, address in enumerate(reversed(addresses)) if not _is_in(networks, address)), None)
    return len(addresses) if behind is None else behind + 1


def _is_in(networks: tuple[Network, ...], address: str) -> bool:
    try:
        ip_address = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip_address in network for network in networks)
