"""Requests as MLflow's client sends them, to a tracker's application in this process."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.test import TestResponse

from keepbest.status import Role
from tests.support.api import Api

PREFIX = "/api/2.0/mlflow"


class Mlflow:
    """Calls MLflow's routes as one user."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def call(
        self,
        method: str,
        path: str,
        given: Any = None,
        *,
        role: Role | None = Role.MEMBER,
        prefix: str = PREFIX,
        **headers: str,
    ) -> TestResponse:
        """Send a request: a GET's fields in its address, else a JSON body unless it is bytes."""
        sent = {"Authorization": f"Bearer {self.api.token(role)}"} if role else {}
        is_query = method == "GET"
        data = given if isinstance(given, bytes) or is_query or given is None else json.dumps(given)
        return self.api.app.test_client().open(
            f"{prefix}{path}", method=method, query_string=given if is_query else None, data=None if is_query else data,
            headers={**sent, **headers},
        )  # fmt: skip

    def get(self, path: str, **given: Any) -> Any:
        """Return the document of a GET that must succeed."""
        return self._read(self.call("GET", path, given))

    def post(self, path: str, **given: Any) -> Any:
        """Return the document of a POST that must succeed."""
        return self._read(self.call("POST", path, given))

    def fail(self, method: str, path: str, given: Any = None, **how: Any) -> tuple[int, str, str]:
        """Return status, code and message of a request that must fail, in MLflow's form."""
        answer = self.call(method, path, given, **how)
        assert answer.status_code >= 400, answer.text
        error = answer.get_json()
        assert set(error) == {"error_code", "message"}, error
        return answer.status_code, error["error_code"], error["message"]

    def begin(self, experiment: str = "0", **given: Any) -> str:
        """Make a run and return its id."""
        made = self.post("/runs/create", experiment_id=experiment, start_time=1_000, user_id="ada", **given)
        return str(made["run"]["info"]["run_id"])

    def log(self, run: str, key: str, value: Any, *, step: int = 0, at: int = 5_000) -> None:
        """Add one value to a metric."""
        self.post("/runs/log-metric", run_id=run, run_uuid=run, key=key, value=value, step=step, timestamp=at)

    def run(self, run: str) -> Any:
        """Return a run."""
        return self.get("/runs/get", run_id=run)["run"]

    def history(self, run: str, key: str) -> list[tuple[Any, int, int]]:
        """Return value, step and time of each point of a metric."""
        points = self.get("/metrics/get-history", run_id=run, metric_key=key)["metrics"]
        return [(point["value"], point["step"], point["timestamp"]) for point in points]

    def find(self, filter: str = "", experiments: tuple[str, ...] = ("0",), **given: Any) -> list[str]:
        """Return the ids of the runs that a search finds."""
        answer = self.post("/runs/search", experiment_ids=list(experiments), filter=filter, **given)
        return [run["info"]["run_id"] for run in answer["runs"]]

    @staticmethod
    def _read(answer: TestResponse) -> Any:
        assert answer.status_code == 200, answer.text
        return answer.get_json()


def as_dict(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a list of keys and values as a dict."""
    return {pair["key"]: pair["value"] for pair in pairs}
