"""What the worker's slower tests need."""

from __future__ import annotations

from importlib.util import find_spec

from tests.support.need import need


def need_tensorflow() -> None:
    """Skip where TensorFlow is missing, without importing it where it is there: the tests' processes do that."""
    need(find_spec("tensorflow"), "needs TensorFlow: make install")
