"""Who may call MLflow's routes, with which credentials; and what is not served says so in MLflow's form."""

from __future__ import annotations

import base64
import re

import pytest

from keepbest.status import Role
from tests.support.mlflow import Mlflow
from tests.support.processes import ROOT
from tracker.api.access import ACCESS
from tracker.mlflow.routes import list_rules, table


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is tested here does not depend on the database."""
    return sqlite_url


def routes(mlflow: Mlflow) -> list[tuple[str, str, str]]:
    rules = list_rules(mlflow.api.app)
    return [
        (sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})[0], _fill(rule.rule), rule.endpoint) for rule in rules
    ]


def _fill(rule: str) -> str:
    """Return an address of the rule: something stands in the place of names."""
    return re.sub(r"<[^>]+>", "a", rule.replace("<path:address>", "0/aaaaaaaaaaaa/artifacts/a"))


def test_every_route_asks_for_a_token(mlflow: Mlflow) -> None:
    assert len(routes(mlflow)) > 20
    for method, path, _ in routes(mlflow):
        status, code, _ = mlflow.fail(method, path, role=None, prefix="")
        assert (status, code) == (401, "UNAUTHENTICATED"), path


@pytest.mark.parametrize("role", list(Role))
def test_every_route_lets_its_roles_in_and_no_other(mlflow: Mlflow, role: Role) -> None:
    for method, path, endpoint in routes(mlflow):
        answer = mlflow.call(method, path, {}, role=role, prefix="")
        allowed = ACCESS[endpoint]
        assert allowed is not None
        assert (answer.status_code == 403) == (role not in allowed), f"{role} {endpoint}: {answer.text}"
        assert answer.status_code != 500, answer.text


def test_a_token_may_be_the_password_of_any_name(mlflow: Mlflow) -> None:
    def as_basic(password: str) -> dict[str, str]:
        return {"Authorization": f"Basic {base64.b64encode(f'ada:{password}'.encode()).decode()}"}

    token = as_basic(mlflow.api.token(Role.MEMBER))
    assert mlflow.call("GET", "/experiments/get", {"experiment_id": "0"}, role=None, **token).status_code == 200
    wrong = mlflow.fail("GET", "/experiments/get", {"experiment_id": "0"}, role=None, **as_basic("wrong"))
    assert wrong[:2] == (401, "UNAUTHENTICATED")
    assert mlflow.api.call("GET", "/me", role=None, headers=token).status_code == 401  # nowhere else


def test_the_page_has_the_present_table(mlflow: Mlflow) -> None:
    page = (ROOT / "docs/reference/mlflow.md").read_text()
    wanted = table(mlflow.api.app)
    assert wanted in page, f"paste this into the page:\n{wanted}"


NOT_SERVED = [
    ("GET", "/api/2.0/mlflow/webhooks"),
    ("POST", "/api/2.0/mlflow/traces/search"),
    ("PATCH", "/api/2.0/mlflow/scorers/register"),
    ("GET", "/api/3.0/mlflow/server-features"),
    ("POST", "/api/2.0/mlflow-artifacts/mpu/create/0/a/artifacts/x"),
    ("GET", "/api/2.0/mlflow-artifacts/presigned/0/a/artifacts/x"),
    ("POST", "/ajax-api/2.0/mlflow/gateway-proxy"),
    ("DELETE", "/api/2.0/mlflow/runs/delete"),
]


@pytest.mark.parametrize(("method", "path"), NOT_SERVED)
def test_what_is_not_served_says_so(mlflow: Mlflow, method: str, path: str) -> None:
    status, code, message = mlflow.fail(method, path, prefix="")
    assert (status, code) == (404, "ENDPOINT_NOT_FOUND")
    assert "keepbest serves experiments" in message


def test_the_pages_prefix_is_served_too(mlflow: Mlflow) -> None:
    assert (
        mlflow.call("GET", "/experiments/get", {"experiment_id": "0"}, prefix="/ajax-api/2.0/mlflow").status_code == 200
    )
