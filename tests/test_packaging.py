"""What gets installed: exact versions with digests from no named registry, and a tracker without TensorFlow."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from keepbest.settings import VERSION
from tests.support.architecture import FLOORS, read_sources
from tests.support.environment import clean_environment
from tests.support.need import need
from tests.support.processes import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONSTRAINTS = (ROOT / "constraints.txt").read_text()
PIN = re.compile(r"(?m)^([a-z0-9._-]+)==(\S+)(?: ; [^\\\n]+)? \\\n    --hash=sha256:[0-9a-f]{64}")
# Used through another library or from the command line, so no module of ours imports them.
NEVER_IMPORTED = {"psycopg"}
# Part of the public face of a library that we do declare.
COMES_WITH = {"werkzeug": "flask", "ml-dtypes": "tensorflow", "pydantic-core": "pydantic"}


def pins() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version in PIN.findall(CONSTRAINTS):
        found.setdefault(name, set()).add(version)
    return found


def requirements(*extras: str) -> list[Requirement]:
    return [Requirement(row) for rows in (PROJECT["dependencies"], *(EXTRAS[name] for name in extras)) for row in rows]


def installed_closure(wanted: list[Requirement]) -> dict[str, str]:
    """Return name -> version of the requirements and of all that they need, as installed here."""
    found: dict[str, str] = {}
    waiting = list(wanted)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found:
            continue
        distribution = metadata.distribution(name)
        found[name] = distribution.version
        waiting.extend(_needed_by(distribution, requirement.extras))
    return found


def _needed_by(distribution: metadata.Distribution, extras: set[str]) -> Iterator[Requirement]:
    for row in distribution.requires or []:
        requirement = Requirement(row)
        if not requirement.marker or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


#: What a user's script has already where it uses the module of ours that imports it.
BROUGHT_BY_USERS = {"mlflow"}


def third_party_imports() -> set[str]:
    """Return the top-level names that our code imports and Python itself does not bring."""
    found = set()
    for source in read_sources(ROOT, *FLOORS).values():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(str(node.module).partition(".")[0])
    return found - set(sys.stdlib_module_names) - set(FLOORS)


@cache
def distributions() -> Mapping[str, list[str]]:
    """Return who installed each importable name; every file of every library is looked at for that."""
    return metadata.packages_distributions()


def providers(module: str) -> set[str]:
    names = {canonicalize_name(name) for name in distributions().get(module, [])}
    return {COMES_WITH.get(name, name) for name in names}


def test_every_version_is_exact_and_has_digests() -> None:
    rows = [line for line in CONSTRAINTS.splitlines() if line and not line.startswith((" ", "#"))]
    assert rows
    assert len(PIN.findall(CONSTRAINTS)) == len(rows)


def test_the_lock_files_name_no_address() -> None:
    lock = json.loads((ROOT / "webui" / "package-lock.json").read_text())
    assert re.findall(r"(?m)^.*(?:://|--index|--find-links).*$", CONSTRAINTS) == []
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    assert [name for name, package in lock["packages"].items() if name and "integrity" not in package] == []


@pytest.mark.parametrize("extras", [(), *((name,) for name in EXTRAS)], ids=lambda names: "+".join(names) or "none")
def test_constraints_hold_what_the_project_asks_for(extras: tuple[str, ...]) -> None:
    known = pins()
    for requirement in requirements(*extras):
        versions = known.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement} is not in constraints.txt: run `make lock`"
        assert all(requirement.specifier.contains(version) for version in versions), f"{requirement}: run `make lock`"


def test_constraints_cover_all_that_is_installed() -> None:
    known = pins()
    installed = installed_closure(requirements("train", "postgres", "dev"))
    assert {name: version for name, version in installed.items() if version not in known.get(name, set())} == {}


def test_no_lock_file_of_uv_is_kept() -> None:
    assert not (ROOT / "uv.lock").exists(), "uv.lock holds addresses; constraints.txt is the lock"


def test_the_base_needs_no_tensorflow() -> None:
    heavy = {"tensorflow", "keras", "scikit-learn", "psycopg", "pytest", "playwright"}
    assert heavy & set(installed_closure(requirements())) == set()


def test_every_import_is_declared() -> None:
    declared = {canonicalize_name(row.name) for row in requirements("train", "postgres", "gpu")}
    undeclared = {name for name in third_party_imports() if not providers(name) & declared}
    assert undeclared == BROUGHT_BY_USERS


def test_every_declared_library_is_used() -> None:
    used = {name for module in third_party_imports() for name in providers(module)} | NEVER_IMPORTED
    assert {canonicalize_name(row.name) for row in requirements("train", "postgres", "gpu")} - used == set()


def build(target: str, folder: Path) -> Path:
    """Build the wheel or the source archive without the dashboard."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    environment = clean_environment(KEEPBEST_SKIP_WEBUI="1")
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


def test_the_source_archive_holds_what_a_build_needs(tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"hatch_build.py", "webui/package.json", "webui/package-lock.json", "LICENSE", "README.md"} <= names
    assert [name for name in names if name.startswith(("tests", ".")) and name != ".gitignore"] == []
    assert [name for name in names if "node_modules" in name] == []


def test_the_wheel_has_the_version_of_the_code(wheel: Path) -> None:
    assert wheel.name == f"keepbest-{VERSION}-py3-none-any.whl"


def test_the_wheel_holds_the_houses_and_the_schema(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == set(FLOORS)
    assert "migrations/env.py" in names
    assert any(re.fullmatch(r"migrations/versions/\w+\.py", name) for name in names)
    assert [name for name in names if "node_modules" in name or "__pycache__" in name] == []


def test_the_wheel_works_without_extras(wheel: Path, tmp_path: Path) -> None:
    python = install_alone(wheel, tmp_path / "venv")
    program = (
        "import importlib.util as u, tracker.server, tracker.scheduler.scheduler, keepbest.client, tracker.db as db;"
        f"db.upgrade('sqlite:///{tmp_path / 'tracker.db'}');"
        "print(u.find_spec('tensorflow'), u.find_spec('numpy') is not None)"
    )
    done = run(python, "-c", program, folder=tmp_path)
    assert done.stdout.split() == ["None", "True"], done.stderr
    assert "Usage" in run(python.parent / "keepbest", "--help", folder=tmp_path).stdout


def install_alone(wheel: Path, folder: Path) -> Path:
    """Install the wheel into an environment of its own, out of what `make install` left in uv's cache."""
    uv = [sys.executable, "-m", "uv"]
    python = folder / "bin" / "python"
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(folder)], check=True)
    install = [*uv, "pip", "install", "-q", "--python", str(python), "-c", str(ROOT / "constraints.txt"), str(wheel)]
    done = subprocess.run(install, capture_output=True, text=True)
    need(done.returncode == 0, f"needs the package registry or uv's cache: {done.stderr[-300:]}")
    return python


def run(program: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in clean_environment().items() if name != "PYTHONPATH"}
    environment["PATH"] = f"{program.parent}{os.pathsep}{environment['PATH']}"
    return subprocess.run([program, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
