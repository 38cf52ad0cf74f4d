"""Warnings that a training prints once, however often their reason comes."""

from __future__ import annotations

import logging

MAX_WARNINGS = 1000
_log = logging.getLogger("keepbest")
_warned: set[str] = set()


def warn_once(text: str) -> None:
    """Warn of something once in this process."""
    if text not in _warned and len(_warned) < MAX_WARNINGS:
        _warned.add(text)
        _log.warning("keepbest: %s", text)


def forget_warnings() -> None:
    """Have each warning come once more."""
    _warned.clear()
