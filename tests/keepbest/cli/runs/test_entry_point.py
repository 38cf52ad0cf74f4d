"""Where a submitted function lies: pure reading of files, in folders as people have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepbest.cli.runs.entry_point import find_entry
from keepbest.cli.runs.signature import read_signature
from keepbest.cli.runs.sources import find_program
from keepbest.errors import InvalidInput, KeepbestError, NotFound

BUILD = "def build(units: int = 3): ...\n"
FILES = {
    "plain.py": BUILD,
    "uses.py": "from lib.parts import part\n" + BUILD,
    "sub/uses.py": "from lib.parts import part\nimport numpy\n" + BUILD,
    "lib/parts.py": "",
    "net/__init__.py": "from .model import build\n",
    "net/model.py": "from .layers import Output\n" + BUILD,
    "net/layers.py": "",
    "net/deep/__init__.py": "",
    "net/deep/model.py": "from ..layers import Output\n" + BUILD,
    "loose/inner/model.py": "from ..shared import x\n" + BUILD,
    "src/app/__init__.py": "",
    "src/app/model.py": BUILD,
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout, the present folder."""
    folder = tmp_path.resolve() / "checkout"
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("what", "folder", "root", "inside"),
    [
        ("plain.py", None, ".", "plain.py:build"),
        ("plain.py:other", None, ".", "plain.py:other"),
        ("plain:build", None, ".", "plain.py:build"),
        ("uses.py", None, ".", "uses.py:build"),
        ("sub/uses.py", None, ".", "sub/uses.py:build"),  # what it imports lies beside its folder
        ("net/model.py:build", None, ".", "net/model.py:build"),
        ("net.model:build", None, ".", "net/model.py:build"),
        ("net.model", None, ".", "net/model.py:build"),
        ("net:build", None, ".", "net/__init__.py:build"),
        ("net/deep/model.py", None, ".", "net/deep/model.py:build"),
        ("loose/inner/model.py", None, ".", "loose/inner/model.py:build"),  # packages without an __init__.py
        ("src/app/model.py", None, "src", "app/model.py:build"),
        ("app.model:build", "src", "src", "app/model.py:build"),
        ("app/model.py", "src", "src", "app/model.py:build"),
        ("net/model.py", ".", ".", "net/model.py:build"),
    ],
)
def test_the_folder_that_imports_begin_at_is_sent(
    here: Path, what: str, folder: str | None, root: str, inside: str
) -> None:
    found = find_entry(what, Path(folder) if folder else None)
    assert found is not None
    assert (found.root, f"{found.inside}:{found.function}") == ((here / root).resolve(), inside)


def test_why_it_is_another_folder_is_said(here: Path) -> None:
    said = {what: getattr(find_entry(what, None), "why", None) for what in ("plain.py", "net/model.py", "sub/uses.py")}
    assert said == {
        "plain.py": "",
        "net/model.py": "the folder above the package net",
        "sub/uses.py": "the folder that lib.parts is imported from",
    }


@pytest.mark.parametrize("what", ["hvass-cnn", "simple", "hvass-cnn:build", "a.b"])
def test_what_names_no_file_is_a_recipe(here: Path, what: str) -> None:
    assert find_entry(what, None) is None


@pytest.mark.parametrize(
    ("what", "folder", "error", "told"),
    [
        ("nett.model:build", None, NotFound, "no module nett.model"),
        ("missing.py", None, NotFound, "missing.py cannot be read"),
        ("net/model.py", "net", InvalidInput, "imports from the package around it"),
        ("plain.py", "net", InvalidInput, "does not lie in"),
        ("lib/", None, InvalidInput, "not a Python file"),
    ],
)
def test_where_nothing_can_be_sent(
    here: Path, what: str, folder: str | None, error: type[KeepbestError], told: str
) -> None:
    with pytest.raises(error, match=told):
        find_entry(what, Path(folder) if folder else None)


def test_a_whole_home_is_not_sent(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    with pytest.raises(InvalidInput, match="holds all your files"):
        find_entry("net/model.py", None)


@pytest.mark.parametrize(
    ("text", "parameters", "takes_any"),
    [
        ("build = lambda units=3, *, rate=0.1: None", {"units": "int", "rate": "float"}, False),
        ("def make(units: int): ...\nbuild = make", {"units": "int"}, False),
        ("build: object = lambda units=3: None", {"units": "int"}, False),
        ("if True:\n    def build(units=3): ...", {"units": "int"}, False),
        ("try:\n    import x\nexcept ImportError:\n    def build(units=3): ...", {"units": "int"}, False),
        ("from parts import make as build", {"units": "int"}, False),
        ("from .parts import make as build", {"units": "int"}, False),
        ("from elsewhere import build", {}, True),
        ("from elsewhere import *", {}, True),
        ("import functools\nbuild = functools.partial(print, 1)", {}, True),
        ("class build: ...", {}, True),
        ("def build(**more): ...", {}, True),
        ("build = build", {}, True),
    ],
)
def test_a_function_however_it_got_its_name(
    tmp_path: Path, text: str, parameters: dict[str, str], takes_any: bool
) -> None:
    (tmp_path / "parts.py").write_text("def make(units: int): ...\n")
    (tmp_path / "mine.py").write_text(text)
    found = read_signature(tmp_path / "mine.py", "build", tmp_path)
    assert ({one.name: one.type for one in found.parameters}, found.takes_any) == (parameters, takes_any)


def test_imports_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("from two import build\n")
    (tmp_path / "two.py").write_text("from one import build\n")
    assert read_signature(tmp_path / "one.py", "build", tmp_path).takes_any


def test_an_async_function_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("async def build(): ...\n")
    with pytest.raises(InvalidInput, match="may not be async"):
        read_signature(tmp_path / "mine.py", "build")


def test_what_begins_a_command(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print(1)\n")
    (tmp_path / "mine.py").write_text(BUILD)
    words = ["python", "/usr/bin/python3", str(tmp_path / "train.py"), str(tmp_path / "mine.py"), "hvass-cnn", "no.py"]
    assert [find_program(word) for word in words] == [True, True, True, False, False, False]
