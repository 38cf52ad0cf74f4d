"""What the worker's tests share."""

from __future__ import annotations

from tests.support.own_code import train
from tests.support.service import service

__all__ = ["service", "train"]
