"""The API's document and its page are made from the routes, and nobody forgets to make them anew."""

from __future__ import annotations

import json

import pytest

from tests.support.api import Api
from tests.support.processes import ROOT
from tracker import server
from tracker.api import openapi


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is tested here does not depend on the database."""
    return sqlite_url


def test_the_committed_document_is_the_present_one(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert server.main(["openapi"]) == 0
    printed = capsys.readouterr().out
    again = "python -m tracker.server openapi > webui/openapi.json"
    assert (ROOT / "webui/openapi.json").read_text() == printed, again
    assert api.get("/openapi.json", role=None) == json.loads(printed)


def test_the_page_has_the_present_table(api: Api) -> None:
    page = (ROOT / "docs/reference/http.md").read_text()
    assert openapi.table(api.app) in page, "paste `python -m tracker.server routes`"


def test_every_reference_leads_somewhere(api: Api) -> None:
    document = openapi.document(api.app)
    text = json.dumps(document)
    for name in {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"], name


def test_every_route_says_what_it_does_and_needs(api: Api) -> None:
    for path, methods in openapi.document(api.app)["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"].endswith("."), f"{method} {path}"
            places = [given["name"] for given in operation["parameters"] if given["in"] == "path"]
            assert all(f"{{{name}}}" in path for name in places)
    assert openapi.document(api.app)["paths"]["/api/v1/health"]["get"]["security"] == []
