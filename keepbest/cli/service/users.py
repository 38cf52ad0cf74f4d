"""`token`, `user`: list, make and change them."""

from __future__ import annotations

from datetime import UTC, datetime
from shlex import quote
from typing import Annotated

import typer

from keepbest.cli.common.formatting import age
from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import Table, print_json, print_listing, say, warn
from keepbest.client.client import Client
from keepbest.contract.access import Token, TokenRequest, User, UserRequest
from keepbest.contract.validate import request
from keepbest.status import Role

Name = Annotated[str, typer.Argument(help="Name.")]

token = typer.Typer(help="List, make and revoke tokens.", add_completion=False, no_args_is_help=True)
user = typer.Typer(help="List, add and disable users.", add_completion=False, no_args_is_help=True)


@token.command("ls")
def list_tokens(as_json: AsJson = False) -> None:
    """List tokens: yours, or everybody's if you are admin. The tracker does not keep their secrets."""
    with Client() as client:
        listing = client.tokens()
    table = Table(("id", "name", "user", "role", ">age", ">last used", "ends"), empty="No tokens.")
    print_listing(listing, table, map(_token_row, listing.tokens), as_json=as_json)


@token.command("add")
def add_token(
    name: Name,
    user: Annotated[str | None, typer.Option(help="For this user (admins only).")] = None,
    role: Annotated[Role | None, typer.Option(help="A lower role than the user's.")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Ends after this many days.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token. Its secret is printed on stdout, this once."""
    with Client() as client:
        made = client.make_token(request(TokenRequest, name=name, user=user, role=role, expires_in_days=days))
    if as_json:
        print_json(made)
        return
    warn(f"Token {made.id} of {made.user}, role {made.role.value}. keepbest shows it only now:")
    say(made.secret or "")


@token.command("rm")
def remove_token(token: Annotated[str, typer.Argument(help="Id of the token.")]) -> None:
    """Revoke a token: neither it nor what was made with it works any more."""
    with Client() as client:
        client.revoke_token(token)
    say(f"Revoked {token}.")


@user.command("ls")
def list_users(as_json: AsJson = False) -> None:
    """List users."""
    with Client() as client:
        listing = client.users()
    table = Table(("name", "role", ">age", "state"), empty="No users.")
    print_listing(listing, table, map(_user_row, listing.users), as_json=as_json)


@user.command("add")
def add_user(
    name: Name, role: Annotated[Role, typer.Option(help="What the user may do.")] = Role.MEMBER, as_json: AsJson = False
) -> None:
    """Add a user. Then give them a token: keepbest token add laptop --user NAME"""
    with Client() as client:
        made = client.add_user(request(UserRequest, name=name, role=role))
    print_json(made) if as_json else say(
        f"Added {made.name}. Next: keepbest token add laptop --user {quote(made.name)}"
    )


@user.command("disable")
def disable_user(name: Name) -> None:
    """Disable a user: none of their tokens works any more."""
    with Client() as client:
        client.disable_user(name)
    say(f"Disabled {name}.")


def _token_row(item: Token) -> tuple[object, ...]:
    now = datetime.now(UTC)
    ends = item.expires_at.date().isoformat() if item.expires_at else "never"
    used = age(item.last_used_at, now)
    return item.id, item.name, item.user, item.role.value, age(item.created_at, now), used, ends


def _user_row(item: User) -> tuple[object, ...]:
    state = "disabled" if item.disabled_at else "active"
    return item.name, item.role.value, age(item.created_at, datetime.now(UTC)), state
