"""What the worker's tests share."""

from __future__ import annotations

from tests.worker.own_code import train
from tests.worker.service import service

__all__ = ["service", "train"]
