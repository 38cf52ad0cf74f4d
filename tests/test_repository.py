"""What people look for in a repository: an editor's settings, hooks, a workflow, templates, one version."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from keepbest.settings import VERSION
from tests.support.environment import clean_environment
from tests.support.processes import ROOT
from tests.test_packaging import pins

GITHUB = ROOT / ".github"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
MANIFESTS = {
    "pip": "pyproject.toml",
    "npm": "package.json",
    "docker": "Dockerfile",
    "github-actions": ".github/workflows",
}
TEXTS = (".editorconfig", ".ci/run", "Makefile", "pyproject.toml", "Dockerfile", "docker-compose.yml", "README.md")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True)


def hooks() -> dict[str, dict[str, Any]]:
    repositories = read(ROOT / ".pre-commit-config.yaml")["repos"]
    return {hook["id"]: hook for repository in repositories for hook in repository["hooks"]}


def test_hooks_have_the_versions_of_constraints() -> None:
    wanted = [row.split("==") for hook in hooks().values() for row in hook.get("additional_dependencies", [])]
    assert {name for name, _ in wanted} == {"ruff"}
    assert [(name, version) for name, version in wanted if version not in pins()[name]] == []


def test_hooks_run_what_make_lint_runs() -> None:
    """Svelte's own check is left to `make lint`: it reads the whole dashboard, for each commit too long."""
    linted = subprocess.run(["make", "--dry-run", "lint"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(hooks()) == {"ruff", "ruff-format", "mypy", "eslint"}
    for words in ("ruff check", "ruff format", "-m mypy", "hatch_build.py run lint"):
        assert words in linted
        assert any(words in hook["entry"] for hook in hooks().values()), words


def test_pre_commit_can_read_its_hooks() -> None:
    done = python("-m", "pre_commit", "validate-config")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_workflow_runs_every_stage_of_ci() -> None:
    stages = re.findall(r"(?m)^    stage (\S+) \d+ ?(.*)$", (ROOT / ".ci" / "run").read_text())
    assert stages
    wanted = ["make install", *(f"make {name} {options}".strip() for name, options in stages)]
    (job,) = read(GITHUB / "workflows" / "ci.yml")["jobs"].values()
    assert [step["run"] for step in job["steps"] if step.get("run", "").startswith("make ")] == wanted
    assert job["env"]["KEEPBEST_REQUIRE_ALL"] == "1"


def test_the_workflow_tries_pythons_that_we_support() -> None:
    (job,) = read(GITHUB / "workflows" / "ci.yml")["jobs"].values()
    supported = {row.rpartition(" ")[2] for row in PYPROJECT["project"]["classifiers"] if "Python :: 3." in row}
    assert {min(supported), max(supported)} == set(job["strategy"]["matrix"]["python"])


def test_dependabot_reads_files_that_are_there() -> None:
    updates = read(GITHUB / "dependabot.yml")["updates"]
    assert {update["package-ecosystem"] for update in updates} == set(MANIFESTS)
    for update in updates:
        folder = ROOT / update["directory"].lstrip("/")
        assert (folder / MANIFESTS[update["package-ecosystem"]]).exists(), update


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_is_whole(path: Path) -> None:
    form = read(path)
    assert set(form) == {"name", "description", "labels", "body"}
    assert len({part["id"] for part in form["body"]}) == len(form["body"])
    assert all(part["attributes"]["label"] for part in form["body"])
    assert any(part.get("validations") == {"required": True} for part in form["body"])


@pytest.mark.parametrize("name", TEXTS)
def test_files_are_as_editorconfig_says(name: str) -> None:
    text = (ROOT / name).read_bytes().decode()
    assert text.endswith("\n")
    assert re.findall(r"(?m)[ \t\r]+$", text) == []


def test_editors_break_lines_where_ruff_does() -> None:
    settings = configparser.ConfigParser()
    settings.read_string("[top]\n" + (ROOT / ".editorconfig").read_text())
    assert settings["{*.py,.ci/run}"]["max_line_length"] == str(PYPROJECT["tool"]["ruff"]["line-length"])
    assert settings["Makefile"]["indent_style"] == "tab"


def test_the_package_runs_as_the_command() -> None:
    done = python("-m", "keepbest", "--version")
    assert (done.returncode, done.stdout) == (0, f"keepbest {VERSION}\n"), done.stderr


def test_the_command_keeps_its_exit_status() -> None:
    assert python("-m", "keepbest", "no-such-verb").returncode == 2


def test_the_version_is_written_in_one_place() -> None:
    assert PYPROJECT["project"]["dynamic"] == ["version"]
    assert (ROOT / PYPROJECT["tool"]["hatch"]["version"]["path"]).read_text().count(f'"{VERSION}"') == 1
    others = ("pyproject.toml", "Dockerfile", "docker-compose.yml", "README.md", "Makefile", "hatch_build.py")
    assert [name for name in others if VERSION in (ROOT / name).read_text()] == []
