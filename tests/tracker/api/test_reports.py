"""Reports over HTTP: of a run, of several, of a sweep; `tests/keepbest/cli/runs/test_report.py` reads what they say."""

from __future__ import annotations

from typing import Any

import pytest

from keepbest.status import Role
from tests.support.api import Api
from tests.tracker.api.test_replays import train


def ask(api: Api, *of: str) -> Any:
    return api.get(f"/reports?of={','.join(of)}", role=Role.VIEWER)


def words(report: Any, kind: str) -> list[str]:
    return [block["text"] for block in report["blocks"] if block["kind"] == kind]


def test_deleted_runs_count_among_those_that_were_tried(api: Api) -> None:
    """Who deletes the nine that were worse has still searched ten."""
    run = train(api, [0.5, 0.9]).run
    other = train(api, [0.5, 0.6])
    train(api, [0.4], monitor="loss")
    api.post(f"/leases/{other.run}/release", {"outcome": "finished"}, lease=other.lease)
    assert api.call("DELETE", f"/runs/{other.run}").status_code == 204
    report = ask(api, run)
    facts = [row for block in report["blocks"] if block["kind"] == "facts" for row in block["rows"]]
    assert ["runs it was chosen from", "2"] in facts
    assert ["validations it was chosen from", "2"] in facts
    assert words(report, "warning")[0].startswith("Selected, optimistic")
    assert report["markdown"].startswith(f"# {report['title']} ({run})")
    assert [block["file"] for block in report["blocks"] if block["kind"] == "picture"] == [f"{run}.svg"]


def test_several_runs(api: Api) -> None:
    report = ask(api, *(train(api, [best]).run for best in (0.6, 0.9)))
    assert report["title"] == "2 runs"


@pytest.mark.parametrize(("of", "status"), [("zzzz", 404), (",", 422), (",".join(["abcd"] * 101), 422), ("", 422)])
def test_what_is_not_there_is_told(api: Api, of: str, status: int) -> None:
    found, error = api.fail("GET", f"/reports?of={of}")
    assert (found, error["field"]) == (status, "of")
