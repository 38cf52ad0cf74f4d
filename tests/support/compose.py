"""docker-compose.yml as Compose reads it: anchors merged, variables filled in; no Docker needed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.support.processes import ROOT

VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")
SECRETS = {"POSTGRES_PASSWORD": "postgres-secret", "KEEPBEST_WORKER_TOKEN": "worker-secret-worker-secret"}


def raw() -> dict[str, Any]:
    """Return the file with its anchors merged and its variables as they are written."""
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


def services(variables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the services with the variables filled in."""
    return dict(_filled(raw()["services"], variables))


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Fill in ${NAME}, ${NAME:-default} and ${NAME:?message}; a missing one with a message is an error."""

    def value(match: re.Match[str]) -> str:
        found = variables.get(match["name"], "")
        if not found and match["kind"] == "?":
            raise KeyError(f"{match['name']}: {match['rest']}")
        return found or (match["rest"] if match["kind"] == "-" else "")

    return VARIABLE.sub(value, text)


def _filled(part: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {key: _filled(value, variables) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, variables) for value in part]
    return interpolate(part, variables) if isinstance(part, str) else part
