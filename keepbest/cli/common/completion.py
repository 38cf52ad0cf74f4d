"""`completion` and `version`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Annotated, Literal

import typer

from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import print_facts, print_json
from keepbest.client.client import Client
from keepbest.errors import KeepbestError
from keepbest.settings import VERSION

Shell = Literal["bash", "zsh", "fish"]


def completion(shell: Annotated[Shell, typer.Argument(help="Which shell.")]) -> None:
    """Print the script that completes keepbest. Bash: keepbest completion bash >> ~/.bashrc"""
    script = typer.completion.get_completion_script  # type: ignore[attr-defined]
    print(script(prog_name="keepbest", complete_var="_KEEPBEST_COMPLETE", shell=shell))


def version(as_json: AsJson = False) -> None:
    """Print the versions of keepbest, of Python, of TensorFlow and of the tracker, where there is one."""
    versions = {
        "keepbest": VERSION,
        "python": platform.python_version(),
        "tensorflow": find_version("tensorflow"),
        "keras": find_version("keras"),
        "tracker": find_tracker_version(),
    }
    if as_json:
        print_json(dict(versions))
    else:
        print_facts("keepbest", [(name, value or "-") for name, value in versions.items()])


def find_version(package: str) -> str | None:
    try:
        return installed_version(package)
    except PackageNotFoundError:
        return None


def find_tracker_version() -> str | None:
    try:
        with Client(timeout_seconds=2.0) as client:
            return client.health().version
    except KeepbestError:
        return None
