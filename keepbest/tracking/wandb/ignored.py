"""Arguments of W&B's `init` that have no meaning here: each warns once and names the nearest thing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from keepbest.hints import nearest
from keepbest.tracking.wandb.absent import IGNORED, warn_ignored

#: The arguments of `keepbest.init`, which a misspelt name is compared with.
KNOWN = (
    "project", "name", "config", "monitor", "mode", "stopper", "max_steps", "id", "key", "resume", "dir", "tags",
    "group", "job_type", "notes", "seed", "capture", "settings",
)  # fmt: skip


class IgnoredArguments(TypedDict, total=False):
    """What a type checker lets through."""

    entity: Any
    reinit: Any
    save_code: Any
    monitor_gym: Any
    magic: Any
    sync_tensorboard: Any
    tensorboard: Any
    force: Any
    anonymous: Any
    allow_val_change: Any
    config_exclude_keys: Any
    config_include_keys: Any
    resume_from: Any
    fork_from: Any
    sweep_id: Any


def check_others(others: Mapping[str, Any]) -> None:
    """Warn of each ignored argument; raises TypeError for one that nobody knows."""
    for name, value in others.items():
        if name not in IGNORED:
            hint = nearest(name, [*KNOWN, *IGNORED])
            raise TypeError(f"init() got an unexpected keyword argument {name!r}. {hint}")
        if value is not None:
            warn_ignored(name)
