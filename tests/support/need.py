"""Parts of the machine that some tests need: a missing one skips the test, or fails it under KEEPBEST_REQUIRE_ALL=1."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.environment import REQUIRE_ALL, TEST_DATA


def need(condition: object, how: str) -> None:
    """Skip the test unless the condition holds; `how` says how to get what is missing."""
    if condition:
        return
    if REQUIRE_ALL:
        pytest.fail(f"KEEPBEST_REQUIRE_ALL=1 and missing: {how}", pytrace=False)
    pytest.skip(how)


def need_chromium() -> str:
    """Return the path of Chromium."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    need(found, "needs Chromium: apt-get install chromium (or name one in CHROMIUM)")
    return str(found)


def need_firefox() -> str:
    """Return the path of Firefox."""
    path = os.environ.get("FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")
    need(path, "needs Firefox: apt-get install firefox-esr (or name one in FIREFOX)")
    return str(path)


def need_tensorflow() -> None:
    """Skip where TensorFlow is missing, without importing it where it is there: the tests' processes do that."""
    need(find_spec("tensorflow"), "needs TensorFlow: make install")


def find_data(name: str) -> Path | None:
    """Return the folder of a real data set under KEEPBEST_TEST_DATA, if it is there."""
    folder = Path(TEST_DATA, name) if TEST_DATA else None
    return folder if folder and folder.is_dir() else None
