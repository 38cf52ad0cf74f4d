"""What the worker's tests share."""

from __future__ import annotations

from tests.worker.service import service

__all__ = ["service"]
