"""`keepbest project`: make, describe, archive, delete and bring back, against the real tracker."""

from __future__ import annotations

import io

import pytest

from keepbest.cli.common.errors import Exit
from tests.keepbest.cli.conftest import Run as Keepbest

NAME = "team/digits 2"


@pytest.fixture(autouse=True)
def project(signed_in: None, keepbest: Keepbest) -> None:
    keepbest("project", "add", NAME)


def test_a_project_is_described_and_shown(keepbest: Keepbest) -> None:
    assert keepbest("project", "describe", NAME, "Handwriting").out == f"Described project {NAME}.\n"
    shown = keepbest("project", "show", NAME).out
    assert (NAME in shown, "Handwriting" in shown, "archived" in shown) == (True, True, False)
    assert keepbest("project", "show", NAME, "--json").json["description"] == "Handwriting"


def test_an_archived_project_is_listed_apart(keepbest: Keepbest) -> None:
    archived = keepbest("project", "archive", NAME)
    assert archived.err == "This brings it back: keepbest project unarchive 'team/digits 2'\n"
    assert keepbest("project", "ls", "--json").json["projects"] == []
    assert keepbest("project", "ls", "--archived", "--json").json["projects"][0]["name"] == NAME
    assert "archived" in keepbest("project", "show", NAME).out
    assert keepbest("project", "unarchive", NAME).out == f"Project {NAME} is back.\n"
    assert keepbest("project", "ls", "--json").json["projects"][0]["archived_at"] is None


def test_a_deleted_project_comes_back(keepbest: Keepbest) -> None:
    deleted = keepbest("project", "rm", NAME, "--yes")
    assert deleted.out == f"Deleted project {NAME} with its 0 runs.\n"
    assert "keepbest project rm 'team/digits 2' --undo" in deleted.err
    missing = keepbest("project", "show", NAME)
    assert (missing.status, "--undo" in missing.err) == (Exit.NOT_FOUND, True)
    assert keepbest("project", "rm", NAME, "--undo").out == f"Project {NAME} is back, with 0 runs.\n"


def test_a_deletion_is_asked_for(keepbest: Keepbest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert keepbest("project", "rm", NAME).status == Exit.INTERRUPTED
    assert keepbest("project", "show", NAME).status == Exit.OK
