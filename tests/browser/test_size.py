"""How much a browser loads: the first page within 80 kB, each later part within 25 kB, compressed."""

from __future__ import annotations

import gzip
import re

import pytest

from tests.browser.conftest import BUILT
from tests.support.need import need

FIRST_PAGE = 80_000
LATER_PART = 25_000


@pytest.fixture
def index() -> str:
    need((BUILT / "index.html").is_file(), "needs the dashboard: make dashboard")
    return (BUILT / "index.html").read_text()


def size(name: str) -> int:
    return len(gzip.compress((BUILT / "assets" / name).read_bytes()))


def test_the_first_page_is_small(index: str) -> None:
    named = set(re.findall(r"/assets/([\w.-]+\.(?:js|css))", index))

    assert named
    assert sum(size(name) for name in named) <= FIRST_PAGE


def test_each_later_part_is_small(index: str) -> None:
    parts = [path for path in (BUILT / "assets").iterdir() if path.suffix in {".js", ".css"}]
    sizes = {path.name: size(path.name) for path in parts if path.name not in index}

    assert sizes
    assert {name: found for name, found in sizes.items() if found > LATER_PART} == {}


@pytest.mark.parametrize("page", ["run", "runs"])
def test_an_index_names_what_its_page_shows(index: str, page: str) -> None:
    own = (BUILT / f"{page}.html").read_text()
    named = set(re.findall(r"/assets/([\w.-]+\.(?:js|css))", own)) - set(re.findall(r"/assets/([\w.-]+)", index))
    assert any(name.startswith("uplot-") and name.endswith(".js") for name in named)
    assert all((BUILT / "assets" / name).is_file() for name in named)
    assert re.sub(r"<link[^>]*>\s*", "", own) == re.sub(r"<link[^>]*>\s*", "", index)


def test_nothing_is_loaded_from_elsewhere(index: str) -> None:
    assert not re.search(r"(?:src|href)=[\"'](?:https?:)?//", index)
    assert "<script>" not in index
