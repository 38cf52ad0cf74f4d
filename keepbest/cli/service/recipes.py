"""The recipes that can be trained, as workers announced them; a service that has just started is waited for."""

from __future__ import annotations

from time import sleep, time

from keepbest.cli.common.output import warn
from keepbest.client.client import Client
from keepbest.contract.workers import RecipeList
from keepbest.settings import load

#: `keepbest up` greets when its tracker answers; its worker registers a second later, or a few on a busy machine.
STARTING_SECONDS = 30.0
POLL_SECONDS = 0.1


def list_recipes(client: Client) -> RecipeList:
    """Return every recipe that a worker announced; nothing where no worker ever came."""
    recipe_list = client.recipes()
    if not recipe_list.recipes and _is_starting(client.url):
        warn("No worker has registered yet, but the service has just started: waiting for one.")
    while not recipe_list.recipes and _is_starting(client.url):
        sleep(POLL_SECONDS)
        recipe_list = client.recipes()
    return recipe_list


def _is_starting(url: str) -> bool:
    """Whether the tracker is that of `keepbest up` in this folder, and was started a moment ago."""
    address = load().dir / "address"
    try:
        is_ours = address.read_text(encoding="utf-8").strip() == url
        return is_ours and time() - address.stat().st_mtime < STARTING_SECONDS
    except OSError:
        return False
