"""Reads the memory that snapshots may take: `2GB`, or `25%` of the free memory."""

from __future__ import annotations

import re

from keepbest.errors import InvalidInput

#: The budget if no setting names one.
DEFAULT_MEMORY = "25%"
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_WORDS = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?:(?P<percent>%)|(?P<power>[kmgt]?)(?P<binary>i?)b?)", re.IGNORECASE)


def budget_of(budget: str | int) -> int:
    """Return a budget in bytes, from a number of bytes, `500MB`, `2GB`, `2GiB`, or `25%` of the memory free now.

    Raises:
        InvalidInput: `budget` is none of these, or more than 100%.
    """
    match = _WORDS.fullmatch(str(budget).strip())
    if match is None:
        raise _refuse(budget)
    number = float(match["number"])
    if not match["percent"]:
        return int(number * (1024 if match["binary"] else 1000) ** _POWERS[match["power"].lower()])
    if number > 100:
        raise _refuse(budget)
    return int(number / 100 * free_memory_bytes())


def free_memory_bytes() -> int:
    """Return the free memory of this machine, or 4 GiB if the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return 4 * 2**30


def _refuse(budget: str | int) -> InvalidInput:
    return InvalidInput(
        f"The memory for snapshots cannot be {str(budget)[:80]!r}.",
        field="snapshot_memory",
        hint="Write it like 2GB, or as a part of the free memory: 25% (KEEPBEST_SNAPSHOT_MEMORY, --snapshot-memory).",
    )
