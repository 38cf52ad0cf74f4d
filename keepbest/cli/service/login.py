"""`login`: keeps a tracker's address and a token. Secrets come by prompt or stdin, never on the command line."""

from __future__ import annotations

import platform
import re
import sys
from typing import Annotated
from urllib.parse import urlsplit

import typer

from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import is_terminal, print_json, say, warn
from keepbest.client.client import Client
from keepbest.contract.access import TokenRequest
from keepbest.errors import InvalidInput
from keepbest.settings import load, save_login


def login(
    address: Annotated[str | None, typer.Argument(help="The tracker's address, or its sign-in link.")] = None,
    as_json: AsJson = False,
) -> None:
    """Sign this machine in: ask for a token (or read it from stdin) and keep it in config.toml, for you only."""
    settings = load()
    url, code = split_link(address or settings.url)
    secret = ask_token(url) if code is None else exchange(url, code)
    with Client(url, secret) as client:
        me = client.me()
    if url.startswith("http://") and urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1"):
        warn("This address is plain http: everybody on the network between can read your token.")
    path = save_login(settings.dir, url=url, token=secret)
    print_json(me) if as_json else say(f"Signed in at {url} as {me.user} ({me.role.value}). Kept in {path}.")


def split_link(address: str) -> tuple[str, str | None]:
    """Return the tracker's address, and the code if `address` is a sign-in link."""
    parts = urlsplit(address if "://" in address else f"http://{address}")
    if not parts.fragment:
        return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/"), None
    return f"{parts.scheme}://{parts.netloc}", parts.fragment.removeprefix("code=")


def ask_token(url: str) -> str:
    """Read a token from the terminal without showing it, else from stdin."""
    if sys.stdin.isatty() and is_terminal():
        secret = str(typer.prompt(f"Token for {url}", hide_input=True))
    else:
        secret = sys.stdin.readline()
    secret = secret.strip()
    if not secret or not secret.isascii() or not secret.isprintable():
        raise InvalidInput("This text is no token.", field="token", hint="Make one with `keepbest token add NAME`.")
    return secret


def exchange(url: str, code: str) -> str:
    """Exchange the code of a sign-in link for a token of this machine."""
    host = re.sub(r"[^A-Za-z0-9._-]", "-", platform.node())[:60] or "a machine"
    with Client(url, "") as client:
        return client.exchange_code(code, TokenRequest(name=f"keepbest login on {host}")).secret or ""
