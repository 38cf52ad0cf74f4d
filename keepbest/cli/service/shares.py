"""`share`, `shares`, `unshare`: read-only links to a run, or to the runs that a filter means."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from keepbest.cli.common.formatting import age
from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import Table, print_json, print_listing, say, warn
from keepbest.client.client import Client
from keepbest.contract.shares import LONGEST_DAYS, SHORTEST_DAYS, USUAL_DAYS, Share, ShareRequest
from keepbest.contract.validate import request

What = Annotated[
    str, typer.Argument(metavar="RUN|FILTER", help="Id of a run; with --project a filter, '' for all its runs.")
]
Days = Annotated[
    float, typer.Option(min=SHORTEST_DAYS, max=LONGEST_DAYS, help="Ends after this many days: an hour (0.042) to 90.")
]


def share(
    what: What,
    project: Annotated[str | None, typer.Option("--project", help="Share the runs of this project.")] = None,
    days: Days = USUAL_DAYS,
    name: Annotated[str | None, typer.Option(help="What the list of links calls it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a read-only link. Whoever has it sees the run, or the runs that fit the filter, until it ends."""
    place = {"run": what} if project is None else {"project": project, "q": what, "query": ""}
    with Client() as client:
        made = client.make_share(request(ShareRequest, name=name, days=days, **place))
        if as_json:
            print_json(made)
            return
        warn(f"Whoever has this link sees {_describe(made)} until {_end(made)}. keepbest shows it only now:")
        say(f"{client.url}{made.path}")
        warn(f"This ends it: keepbest unshare {made.id}")


def list_shares(as_json: AsJson = False) -> None:
    """List read-only links: yours, or everybody's if you are admin."""
    with Client() as client:
        listing = client.shares()
    table = Table(("id", "shows", "user", ">age", ">last used", "ends"), empty="No links.")
    print_listing(listing, table, map(_row, listing.shares), as_json=as_json)


def unshare(share: Annotated[str, typer.Argument(metavar="ID", help="Id of the link.")]) -> None:
    """End a read-only link: nobody sees anything by it any more."""
    with Client() as client:
        client.end_share(share)
    say(f"Ended {share}.")


def _describe(item: Share) -> str:
    if item.run is not None:
        return f"run {item.run} ({item.run_name})"
    return f"the runs of project {item.project} that fit {item.q}" if item.q else f"the runs of project {item.project}"


def _end(item: Share) -> str:
    return f"{item.expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _row(item: Share) -> tuple[object, ...]:
    now = datetime.now(UTC)
    return item.id, _describe(item), item.user, age(item.created_at, now), age(item.last_used_at, now), _end(item)
