"""The client's address behind a trusted proxy; X-Forwarded headers from other addresses are ignored."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.middleware.proxy_fix import ProxyFix

from keepbest.errors import InvalidInput

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def trust_proxies(app: WsgiApp, trusted: str) -> WsgiApp:
    """Wrap `app` so that it sees clients, not the proxies at these addresses or networks, separated by commas.

    A request from a trusted proxy gets the client's address, scheme and host from the X-Forwarded headers. In a chain
    of trusted proxies, the client's address is the last one that belongs to none of them.

    Raises:
        InvalidInput: `trusted` holds something else than an address or network.
    """
    networks = read_networks(trusted)
    if not networks:
        return app

    def run(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not _is_in(networks, environ.get("REMOTE_ADDR", "")):
            return app(environ, start_response)
        hops = _count_hops(networks, environ.get("HTTP_X_FORWARDED_FOR", ""))
        return ProxyFix(app, x_for=hops, x_proto=1, x_host=1)(environ, start_response)

    return run


def read_networks(text: str) -> tuple[Network, ...]:
    """Return the networks that the setting names, separated by commas. Raises InvalidInput for any other text."""
    try:
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InvalidInput(
            f"KEEPBEST_TRUSTED_PROXIES: {error}.",
            field="KEEPBEST_TRUSTED_PROXIES",
            hint="Name addresses or networks, separated by commas: 10.0.0.5, 172.16.0.0/12.",
        ) from None


def _count_hops(networks: tuple[Network, ...], forwarded: str) -> int:
    """Return the client's place, counted from the end of the header: the first address of no trusted proxy."""
    addresses = [part.strip() for part in forwarded.split(",")]
    behind = next((i for i, address in enumerate(reversed(addresses)) if not _is_in(networks, address)), None)
    return len(addresses) if behind is None else behind + 1


def _is_in(networks: tuple[Network, ...], address: str) -> bool:
    try:
        ip_address = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip_address in network for network in networks)
