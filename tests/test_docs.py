"""The docs name all there is (settings, routes, commands, policies, errors, libraries) and nothing that is not."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from keepbest import errors
from keepbest.cli.main import VERBS, load
from keepbest.selection.selectors import SELECTORS
from keepbest.stopping.registry import POLICIES
from tests.support.processes import ROOT
from tests.support.settings import tables, variables

DOCS = ROOT / "docs"
FRONT_PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", ".github/PULL_REQUEST_TEMPLATE.md")


@cache
def page(name: str) -> str:
    """Return a page by its place, such as "howto/team"."""
    return (DOCS / f"{name}.md").read_text()


def all_pages() -> list[Path]:
    return [*sorted(DOCS.rglob("*.md")), *(ROOT / name for name in FRONT_PAGES)]


def place(path: Path) -> str:
    return str(path.relative_to(ROOT))


def routes() -> Iterator[str]:
    document = json.loads((ROOT / "webui" / "openapi.json").read_text())
    for path, methods in document["paths"].items():
        yield from (f"{method.upper()} {path}" for method in methods if method != "parameters")


#: What a group does where no verb of it is named.
DEFAULTS = ("start", "run", "archive")


def commands() -> dict[str, Any]:
    """Return every command by what one types after `keepbest`."""
    return {name: command for verb in VERBS for name, command in _leaves(verb.name, load(verb.name))}


def _faults(words: list[str], known: dict[str, Any]) -> Iterator[str]:
    """Yield what of a command line is not there: the verb, the one below it, or an option."""
    sub = f"{words[0]} {words[1]}" if len(words) > 1 else words[0]
    by_default = (f"{words[0]} {default}" for default in DEFAULTS)
    name = next((one for one in (sub, words[0], *by_default) if one in known), None)
    if name is None:
        is_group = any(one.startswith(f"{words[0]} ") for one in known)
        yield from () if is_group and len(words) == 1 else (sub,)
        return
    options = {option for one in known[name].params for option in [*one.opts, *one.secondary_opts]} | {"--help"}
    own = (word.partition("=")[0] for word in itertools.takewhile(lambda word: word != "--", words))
    yield from (f"{name} {word}" for word in own if re.match(r"--[a-z]", word) and word not in options)


def _leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    for child in children:
        yield from _leaves(f"{name} {child}", children[child])
    if not children:
        yield name, command


def codes() -> set[str]:
    kinds = [errors.KeepbestError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    return {kind.code for kind in kinds if kind.__module__ == errors.__name__}


def dependencies() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    rows = [*project["dependencies"], *(row for rows in project["optional-dependencies"].values() for row in rows)]
    return {re.split(r"[\[<>=]", row)[0] for row in rows}


def missing(names: set[str], text: str) -> list[str]:
    return sorted(name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text))


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=place)
def test_the_page_has_a_title_and_a_plain_name(path: Path) -> None:
    assert path.read_text().startswith("# ")
    assert re.fullmatch(r"[a-z0-9/-]+\.md", str(path.relative_to(DOCS)))


def test_every_setting_is_explained() -> None:
    lines = page("reference/settings").splitlines()
    rows = [row for table in tables() for row in table]
    assert [row for row in rows if row not in lines] == [], "paste from `python -m tests.support.settings`"


def test_every_route_is_explained() -> None:
    assert [
        route for route in routes() if route.replace("/api/v1", "") not in page("reference/http").replace("/api/v1", "")
    ] == []


def test_the_dashboards_types_come_from_todays_api() -> None:
    command = [sys.executable, "-m", "tracker.server", "openapi"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    written = (ROOT / "webui" / "openapi.json").read_text()
    assert json.loads(done.stdout) == json.loads(written), "python -m tracker.server openapi > webui/openapi.json"


def test_every_policy_and_every_selector_is_explained() -> None:
    assert missing({*POLICIES, *SELECTORS}, page("reference/policies") + page("reference/selectors")) == []


def test_every_error_code_is_explained() -> None:
    assert missing(codes(), page("reference/http")) == []


def test_every_library_has_its_reason() -> None:
    assert missing(dependencies(), page("explanation/libraries")) == []


@pytest.mark.parametrize("path", all_pages(), ids=place)
def test_links_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())
    assert [target for target in targets if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", all_pages(), ids=place)
def test_no_page_names_a_command_that_is_not_there(path: Path) -> None:
    known, code = commands(), _code(path.read_text())
    typed = re.findall(r"(?m)(?:^\s*\$? ?|`)keepbest ([a-z][^`\n|#]*)", code)
    assert [fault for line in typed for fault in _faults(line.split(), known)] == []


@pytest.mark.parametrize("path", all_pages(), ids=place)
def test_no_page_names_a_setting_that_is_not_there(path: Path) -> None:
    known = variables() | set(re.findall(r"KEEPBEST_\w+", _tools()))
    assert sorted(set(re.findall(r"KEEPBEST_[A-Z_]*[A-Z]", path.read_text())) - known) == []


@pytest.mark.parametrize("path", all_pages(), ids=place)
def test_no_page_names_a_make_target_that_is_not_there(path: Path) -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    assert sorted(set(re.findall(r"(?m)(?:^|`|&& )make ([a-z-]+)", _code(path.read_text()))) - targets) == []


@pytest.mark.parametrize("path", all_pages(), ids=place)
def test_no_page_names_a_file_that_is_not_there(path: Path) -> None:
    houses = "keepbest|tracker|worker|webui|migrations|tests|docs|examples|findings"
    named = re.findall(rf"`((?:{houses})/[\w./-]*)`", path.read_text())
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_nothing_says_that_the_name_is_in_a_package_index() -> None:
    """It is not: whoever took the name there would be installed. A clone (./keepbest) and an address (@ git+) are."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    endings = {".md", ".py", ".svelte", ".ts", ".yml", ".yaml", ".sh", ".toml"}
    texts = {name: (ROOT / name).read_text() for name in listed.splitlines() if Path(name).suffix in endings}
    said = re.compile(r"pip3? install [^\n`]*?(?<![\w./])keepbest(?![\w/])[^\n`]*")
    found = [(name, line) for name, text in texts.items() for line in said.findall(text)]
    assert [(name, line) for name, line in found if "@ git+" not in line and name != "tests/test_docs.py"] == []


def test_troubleshooting_quotes_messages_that_are_there() -> None:
    """Each message in quotation marks, between the "…" that stand for what differs, is a part of a source file."""
    sources = "\n".join(
        path.read_text() for house in ("keepbest", "tracker", "worker") for path in (ROOT / house).rglob("*.py")
    )
    quoted = re.findall(r'(?m)^\| "([^|]+)" \|', page("troubleshooting"))
    parts = {part.strip() for message in quoted for part in message.split("…")} - {""}
    assert len(quoted) > 20
    assert sorted(part for part in parts if part not in sources) == []


def findings() -> list[Path]:
    return sorted((ROOT / "findings").glob("*.sh"))


def test_every_finding_is_listed() -> None:
    listed = re.findall(r"(?m)^\| `(\S+\.sh)` \|", (ROOT / "findings" / "README.md").read_text())
    assert listed == [path.name for path in findings()]


@pytest.mark.parametrize("path", findings(), ids=lambda path: path.name)
def test_a_finding_names_its_tests_and_pins_its_packages(path: Path) -> None:
    text = path.read_text()
    paths = re.findall(r"\btests/\S+\.py", text)
    assert paths, "which test of ours holds the right behaviour?"
    known = re.findall(r"(?m)^def (test_\w+)", "\n".join((ROOT / one).read_text() for one in paths))
    assert set(re.findall(r"\btest_\w+\b(?!\.py)", text)) - set(known) == set()
    installed = re.search(r"pip install (.*?[^\\])\n", text, re.DOTALL)
    assert installed
    packages = [word for word in installed[1].split() if word != "\\" and not word.startswith("-")]
    assert packages
    assert [package for package in packages if "==" not in package] == []


def _code(text: str) -> str:
    """Return the parts of a page that are set as code."""
    blocks = re.findall(r"(?s)```.*?```", text)
    return "\n".join([*blocks, *re.findall(r"`[^`\n]+`", re.sub(r"(?s)```.*?```", "", text))])


def _tools() -> str:
    """Return the sources of the build, the tests' set-up and the compose file: they have variables of their own."""
    names = ("hatch_build.py", "tests/support/environment.py", "docker-compose.yml")
    return "\n".join((ROOT / name).read_text() for name in names)
