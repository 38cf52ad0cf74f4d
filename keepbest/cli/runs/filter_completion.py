"""Completes a filter in the shell, with the names that the project's runs have."""

from __future__ import annotations

from typing import Any

from keepbest.client.client import Client
from keepbest.errors import KeepbestError
from keepbest.query.completion import complete
from keepbest.query.known import Known
from keepbest.settings import load

#: Somebody waits at the keyboard: what the tracker does not say by then is not offered.
SECONDS = 1.0


def complete_filter(ctx: Any, incomplete: str) -> list[tuple[str, str]]:
    """Return each filter that goes on from what is written, with what its last word is."""
    known = find_known(ctx.params.get("project"))
    suggestions = complete(incomplete, len(incomplete), known)
    return [(incomplete[: suggestion.start] + suggestion.text, suggestion.help) for suggestion in suggestions]


def find_known(project: str | None) -> Known:
    """Ask the tracker for a project's names; none where it does not answer in time."""
    try:
        settings = load()
        with Client(settings=settings, timeout_seconds=SECONDS, retries=0) as client:
            fields = client.fields(project or settings.project)
    except KeepbestError:
        return Known()
    return Known(
        metrics=[metric.key for metric in fields.metrics],
        parameters={parameter.key: parameter.values for parameter in fields.parameters},
        tags=fields.tags,
        recipes=fields.recipes,
        workers=fields.workers,
        users=fields.users,
        is_cut=fields.is_cut,
    )
