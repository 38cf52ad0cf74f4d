"""Who may do what: every route for every role, and no route without a row in the table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Blueprint

from keepbest.errors import KeepbestError
from keepbest.status import Role
from tests.support.api import Api
from tracker import app as tracker_app
from tracker.api import openapi
from tracker.api.access import ACCESS
from tracker.app import create_app
from tracker.db import Engine
from tracker.settings import TrackerSettings


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is tested here does not depend on the database."""
    return sqlite_url


#: What each role may do beyond reading, said once more and independently of the table.
MEMBERS = {
    "submit_run", "change_run", "delete_run", "cancel_run", "request_command", "create_project", "change_checkpoint",
    "upload_bundle", "fork_run", "resume_run", "undelete_run", "set_rules", "create_sweep",
    "cancel_sweep", "act_on_runs", "create_view", "change_view", "delete_view", "change_project",
    "delete_project", "undelete_project", "delete_artifact", "place_run", "make_share", "set_alias", "remove_alias",
    "count_received", "receive_archive", "import_archive",
    "begin_import", "take_points", "end_import",
}  # fmt: skip
#: The same of MLflow's interface.
MLFLOW = {
    "create_experiment", "update_experiment", "delete_experiment", "restore_experiment", "set_experiment_tag",
    "delete_experiment_tag", "create_run", "update_run", "restore_run", "log_parameter", "log_metric", "log_batch",
    "log_inputs", "set_tag", "delete_tag", "upload_file", "delete_files",
    "create_logged_model", "finalize_logged_model", "delete_logged_model", "set_logged_model_tags",
    "delete_logged_model_tag", "log_logged_model_params", "log_outputs", "log_model", "create_registered_model",
    "rename_registered_model", "update_registered_model", "delete_registered_model", "set_registered_model_tag",
    "delete_registered_model_tag", "set_registered_model_alias", "delete_registered_model_alias",
    "create_model_version", "update_model_version", "transition_model_version_stage", "delete_model_version",
    "set_model_version_tag", "delete_model_version_tag",
}  # fmt: skip
READ_ONLY = {
    "get_experiment", "get_experiment_by_name", "search_experiments", "get_run", "search_runs", "search_logged_models",
    "get_metric_history", "get_metric_history_bulk", "get_metric_history_bulk_interval", "download_file", "list_folder",
    "list_files",
    "get_logged_model", "list_logged_model_files", "get_registered_model", "search_registered_models",
    "get_latest_versions", "read_latest_versions", "get_model_version_by_alias", "get_model_version",
    "get_model_version_download_uri", "search_model_versions",
    "show_server_info",
}  # fmt: skip
WORKERS = {
    "claim",
    "renew",
    "release",
    "take_batch",
    "register_worker",
    "deregister_worker",
    "add_receipt",
    "upload_artifact",
}
ADMINS = {"list_users", "create_user", "change_user", "disable_user", "list_audit", "collect"}
NOT_WORKERS = {
    "create_token",
    "replay_runs",
    "show_importance",
    "compare_runs",
    "show_storage",
    "list_trash",
    "list_points",
    "export_run",
    "export_project",
    "list_shares",
    "end_share",
}
EVERYBODY = {"sign_in", "show_health", "show_document", "show_page", "show_asset"}


def expected(function: str) -> set[Role] | None:
    if function in EVERYBODY:
        return None
    if function in ADMINS:
        return {Role.ADMIN}
    if function in MEMBERS | MLFLOW:
        return {Role.MEMBER, Role.ADMIN}
    if function in WORKERS:
        return {Role.MEMBER, Role.ADMIN, Role.WORKER}
    return set(Role) - ({Role.WORKER} if function in NOT_WORKERS | READ_ONLY else set())


def test_the_table_says_what_the_roles_are_for() -> None:
    assert {endpoint: allowed and set(allowed) for endpoint, allowed in ACCESS.items()} == {
        endpoint: expected(endpoint.partition(".")[2]) for endpoint in ACCESS
    }


def test_every_row_is_a_route(api: Api) -> None:
    assert ACCESS.keys() - {rule.endpoint for rule in api.app.url_map.iter_rules()} == set()


def routes(api: Api) -> list[tuple[str, str, str]]:
    """Return method, address and endpoint of every route, with something in the place of names."""
    found = [(method, rule.rule, rule.endpoint) for rule, method in openapi.routes(api.app)]
    return [
        (method, re.sub(r"<[^>]+>", "a" * 12, rule)[len("/api/v1") :], endpoint) for method, rule, endpoint in found
    ]


def test_every_route_asks_for_a_token(api: Api) -> None:
    for method, path, endpoint in routes(api):
        if ACCESS[endpoint] is not None:
            assert api.fail(method, path, role=None)[0] == 401, endpoint


@pytest.mark.parametrize("role", list(Role))
def test_every_route_lets_its_roles_in_and_no_other(api: Api, role: Role) -> None:
    for method, path, endpoint in routes(api):
        allowed = ACCESS[endpoint]
        if allowed is None or endpoint == "events.stream":
            continue
        answer = api.call(method, path, b"x", role=role)
        assert (answer.status_code == 403) == (role not in allowed), f"{role} {endpoint}: {answer.text}"
        assert answer.status_code != 500, answer.text
        if endpoint == "users.revoke_token" or endpoint == "signin.sign_out":
            assert api.get("/me", role=role)["role"] == role


def test_a_route_without_a_row_stops_the_start(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stray = Blueprint("stray", __name__)
    stray.add_url_rule("/stray", view_func=lambda: "hello", endpoint="open_door")
    monkeypatch.setattr(tracker_app, "BLUEPRINTS", (*tracker_app.BLUEPRINTS, stray))
    with pytest.raises(KeepbestError, match=r"stray\.open_door"):
        create_app(TrackerSettings.load({}, dir=tmp_path), engine)


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Basic YTpi", "Bearer kb_wrong", "Bearer \xe4\xf6", "x" * 9000]
)
def test_a_header_that_is_no_token(api: Api, header: str) -> None:
    assert api.fail("GET", "/me", role=None, headers={"Authorization": header})[0] == 401
