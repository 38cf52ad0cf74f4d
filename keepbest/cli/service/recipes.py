"""Lists the recipes that workers announced, and waits for the worker of a service that has just started."""

from __future__ import annotations

from time import sleep, time

from keepbest.cli.common.output import warn
from keepbest.client.client import Client
from keepbest.contract.workers import RecipeList
from keepbest.settings import load

#: How long after its greeting `keepbest up` may still wait for its worker to register.
STARTING_SECONDS = 30.0
POLL_SECONDS = 0.1


def list_recipes(client: Client) -> RecipeList:
    """Return every recipe that a worker announced; none if no worker ever registered."""
    recipe_list = client.recipes()
    if not recipe_list.recipes and _is_starting(client.url):
        warn("No worker has registered yet, but the service has just started: waiting for one.")
    while not recipe_list.recipes and _is_starting(client.url):
        sleep(POLL_SECONDS)
        recipe_list = client.recipes()
    return recipe_list


def _is_starting(url: str) -> bool:
    """Whether `keepbest up` started this tracker in this folder a moment ago."""
    address = load().dir / "address"
    try:
        is_ours = address.read_text(encoding="utf-8").strip() == url
        return is_ours and time() - address.stat().st_mtime < STARTING_SECONDS
    except OSError:
        return False
