"""The site of docs/ is built without a warning, and its reference holds every command and every public name."""

from __future__ import annotations

import html
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import keepbest
from tests.support.need import need
from tests.support.processes import PATIENCE, ROOT
from tests.test_docs import commands


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need(importlib.util.find_spec("sphinx"), "needs Sphinx: make install")
    folder = tmp_path_factory.mktemp("site")
    sphinx = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-d",
        f"{folder}/doctrees",
        "docs",
        f"{folder}/html",
    ]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(sphinx, cwd=ROOT, env=os.environ | quiet, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return folder / "html"


def words(page: Path) -> str:
    """Return what a page shows, without its markup."""
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text()))


def test_the_reference_has_every_command_with_its_options(site: Path) -> None:
    text = words(site / "reference" / "cli.html")
    assert [name for name in commands() if f"keepbest {name}" not in text] == []
    options = {
        option.opts[-1]
        for command in commands().values()
        for option in command.params
        if not getattr(option, "hidden", 0)
    }
    assert [option for option in sorted(options - {"--help"}) if option.startswith("--") and option not in text] == []


def test_the_reference_has_every_public_name(site: Path) -> None:
    text = words(site / "reference" / "python.html")
    assert [name for name in keepbest.__all__ if not re.search(rf"\b{name}\b", text)] == []


def test_every_page_can_be_found_from_the_first(site: Path) -> None:
    """Sphinx warns of a page in no table of contents; here each one is on the first page's side bar."""
    first = (site / "index.html").read_text()
    pages = [path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if f'href="{page}' not in first and page.name != "index.html"] == []
