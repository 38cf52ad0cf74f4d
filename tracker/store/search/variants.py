"""Variants: runs of one recipe with the same parameters but seeds are one variant, and so one group."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_SEED = re.compile(r"(^|[_.])seed$|^random_state$")


def find_variant(spec: Mapping[str, Any]) -> str:
    """Return a digest of what a spec (as JSON) trains: source, data set, and all parameters but seeds."""
    source = {name: value for name, value in spec["source"].items() if name not in ("fixed", "git", "imported")}
    if "argv" in source:
        source["argv"] = list(_leave_seeds_out(source["argv"]))
    parameters = {name: value for name, value in (spec.get("parameters") or {}).items() if not _is_seed(name)}
    told = json.dumps([source, spec.get("data"), parameters], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _leave_seeds_out(argv: Sequence[str]) -> Iterator[str]:
    """Yield the words of a command without `--seed 3` or `--seed=3`."""
    skips = False
    for word in argv:
        if skips:
            skips = False
            continue
        option, equals, _ = word.partition("=")
        is_seed = option.startswith("-") and _is_seed(option.strip("-").replace("-", "_"))
        if not is_seed:
            yield word
        skips = is_seed and not equals


def _is_seed(name: str) -> bool:
    return _SEED.search(name.lower()) is not None
