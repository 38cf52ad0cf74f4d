"""Access control: the table of the roles that each route admits, and its check before every request.

A route without a row in the table is not served. A request carries `Authorization: Bearer <token>` or the dashboard's
cookie; an unsafe request with a cookie must come from the dashboard's own origin. The database stores only SHA-256
digests of secrets, and finds credentials by digest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from flask import Flask, Response, after_this_request, g, request

from keepbest.contract.names import compose
from keepbest.errors import KeepbestError, NotAllowed, NotAuthenticated, NotFound
from keepbest.status import Role
from tracker import db
from tracker.api.envelope import SAFE_METHODS, now, service
from tracker.store import shares
from tracker.store.access import users
from tracker.store.access.shared import SharedScope
from tracker.store.access.users import Principal

COOKIE = "keepbest_session"
LEASE_HEADER = "Keepbest-Lease"
_SIGN_IN = "Sign in with an account of your own to see more."

#: Blueprints whose clients may send a token as the password of any user name.
BASIC = ("mlflow",)

Access = frozenset[Role] | None

#: No sign-in needed: what the sign-in page and a health check need, and nothing else.
OPEN: Access = None
#: A viewer and everybody above.
READ: Access = frozenset({Role.VIEWER, Role.MEMBER, Role.ADMIN})
#: The same, and workers.
READ_OR_WORK: Access = frozenset({Role.VIEWER, Role.MEMBER, Role.ADMIN, Role.WORKER})
WRITE: Access = frozenset({Role.MEMBER, Role.ADMIN})
#: Workers, and members, whose own scripts train runs.
WORK: Access = frozenset({Role.MEMBER, Role.ADMIN, Role.WORKER})
ADMIN: Access = frozenset({Role.ADMIN})

#: Every endpoint, as `blueprint.function`.
ACCESS: dict[str, Access] = {
    # Signing in, and who is who
    "signin.sign_in": OPEN,
    "signin.sign_out": READ_OR_WORK,
    "signin.show_me": READ_OR_WORK,
    "signin.make_link": READ_OR_WORK,
    "users.list_users": ADMIN,
    "users.create_user": ADMIN,
    "users.change_user": ADMIN,
    "users.disable_user": ADMIN,
    "users.list_tokens": READ_OR_WORK,
    "users.create_token": READ,
    "users.revoke_token": READ_OR_WORK,
    "users.list_audit": ADMIN,
    "shares.list_shares": READ,
    "shares.make_share": WRITE,
    "shares.end_share": READ,
    # Projects and runs
    "projects.list_projects": READ_OR_WORK,
    "projects.create_project": WRITE,
    "projects.change_project": WRITE,
    "projects.delete_project": WRITE,
    "projects.undelete_project": WRITE,
    "projects.show_project": READ_OR_WORK,
    "projects.list_fields": READ_OR_WORK,
    "aliases.list_aliases": READ_OR_WORK,
    "aliases.set_alias": WRITE,
    "aliases.remove_alias": WRITE,
    "aliases.list_alias_moves": READ_OR_WORK,
    "views.list_views": READ_OR_WORK,
    "views.create_view": WRITE,
    "views.change_view": WRITE,
    "views.delete_view": WRITE,
    "rules.show_rules": READ_OR_WORK,
    "rules.set_rules": WRITE,
    "runs.list_runs": READ_OR_WORK,
    "runs.group_runs": READ_OR_WORK,
    "runs.submit_run": WRITE,
    "runs.show_run": READ_OR_WORK,
    "runs.change_run": WRITE,
    "runs.delete_run": WRITE,
    "runs.cancel_run": WRITE,
    "actions.act_on_runs": WRITE,
    "actions.show_queue": READ_OR_WORK,
    "actions.place_run": WRITE,
    "runs.list_segments": READ_OR_WORK,
    "runs.list_test_results": READ_OR_WORK,
    "runs.show_provenance": READ_OR_WORK,
    "jumps.fork_run": WRITE,
    "jumps.resume_run": WRITE,
    "jumps.undelete_run": WRITE,
    "commands.list_commands": READ_OR_WORK,
    "commands.request_command": WRITE,
    "validations.list_validations": READ_OR_WORK,
    "reports.show_report": READ_OR_WORK,
    "replays.replay_runs": READ,
    "sweeps.list_sweeps": READ_OR_WORK,
    "sweeps.create_sweep": WRITE,
    "sweeps.show_sweep": READ_OR_WORK,
    "sweeps.show_importance": READ,
    "sweeps.cancel_sweep": WRITE,
    "comparisons.compare_runs": READ,
    "metrics.list_metrics": READ_OR_WORK,
    "curves.show_curve": READ_OR_WORK,
    "curves.show_curves": READ_OR_WORK,
    "points.list_points": READ,
    "logs.list_logs": READ_OR_WORK,
    "panels.list_panels": READ_OR_WORK,
    "panels.show_panel": READ_OR_WORK,
    "panels.diff_panels": READ_OR_WORK,
    "checkpoints.list_checkpoints": READ_OR_WORK,
    "checkpoints.show_checkpoint": READ_OR_WORK,
    "checkpoints.change_checkpoint": WRITE,
    "checkpoints.collect": ADMIN,
    "checkpoints.show_manifest": READ_OR_WORK,
    "checkpoints.show_object": READ_OR_WORK,
    "checkpoints.list_variables": READ_OR_WORK,
    "checkpoints.show_values": READ_OR_WORK,
    "checkpoints.diff_checkpoints": READ_OR_WORK,
    "checkpoints.list_receipts": READ_OR_WORK,
    "checkpoints.add_receipt": WORK,
    "artifacts.list_artifacts": READ_OR_WORK,
    "artifacts.download_artifact": READ_OR_WORK,
    "artifacts.upload_artifact": WORK,
    "artifacts.delete_artifact": WRITE,
    "archives.export_run": READ,
    "archives.export_project": READ,
    "archives.count_received": WRITE,
    "archives.receive_archive": WRITE,
    "archives.import_archive": WRITE,
    "storage.show_storage": READ,
    "storage.list_trash": READ,
    "bundles.upload_bundle": WRITE,
    "bundles.download_bundle": READ_OR_WORK,
    # Runs of other tools
    "imports.begin_import": WRITE,
    "imports.take_points": WRITE,
    "imports.end_import": WRITE,
    # Workers
    "batches.take_batch": WORK,
    "leases.claim": WORK,
    "leases.renew": WORK,
    "leases.release": WORK,
    "workers.list_workers": READ_OR_WORK,
    "workers.register_worker": WORK,
    "workers.deregister_worker": WORK,
    "workers.list_recipes": READ_OR_WORK,
    # MLflow's interface
    "mlflow.create_experiment": WRITE,
    "mlflow.get_experiment": READ,
    "mlflow.get_experiment_by_name": READ,
    "mlflow.update_experiment": WRITE,
    "mlflow.delete_experiment": WRITE,
    "mlflow.restore_experiment": WRITE,
    "mlflow.set_experiment_tag": WRITE,
    "mlflow.delete_experiment_tag": WRITE,
    "mlflow.search_experiments": READ,
    "mlflow.create_run": WRITE,
    "mlflow.get_run": READ,
    "mlflow.update_run": WRITE,
    "mlflow.delete_run": WRITE,
    "mlflow.restore_run": WRITE,
    "mlflow.log_parameter": WRITE,
    "mlflow.log_metric": WRITE,
    "mlflow.log_batch": WRITE,
    "mlflow.log_inputs": WRITE,
    "mlflow.set_tag": WRITE,
    "mlflow.delete_tag": WRITE,
    "mlflow.search_runs": READ,
    "mlflow.search_logged_models": READ,
    "mlflow.get_metric_history": READ,
    "mlflow.get_metric_history_bulk": READ,
    "mlflow.get_metric_history_bulk_interval": READ,
    "mlflow.upload_file": WRITE,
    "mlflow.download_file": READ,
    "mlflow.delete_files": WRITE,
    "mlflow.list_folder": READ,
    "mlflow.list_files": READ,
    "mlflow.show_server_info": READ,
    "mlflow.create_logged_model": WRITE,
    "mlflow.finalize_logged_model": WRITE,
    "mlflow.delete_logged_model": WRITE,
    "mlflow.set_logged_model_tags": WRITE,
    "mlflow.delete_logged_model_tag": WRITE,
    "mlflow.log_logged_model_params": WRITE,
    "mlflow.log_outputs": WRITE,
    "mlflow.log_model": WRITE,
    "mlflow.create_registered_model": WRITE,
    "mlflow.rename_registered_model": WRITE,
    "mlflow.update_registered_model": WRITE,
    "mlflow.delete_registered_model": WRITE,
    "mlflow.set_registered_model_tag": WRITE,
    "mlflow.delete_registered_model_tag": WRITE,
    "mlflow.set_registered_model_alias": WRITE,
    "mlflow.delete_registered_model_alias": WRITE,
    "mlflow.create_model_version": WRITE,
    "mlflow.update_model_version": WRITE,
    "mlflow.transition_model_version_stage": WRITE,
    "mlflow.delete_model_version": WRITE,
    "mlflow.set_model_version_tag": WRITE,
    "mlflow.delete_model_version_tag": WRITE,
    "mlflow.get_logged_model": READ,
    "mlflow.list_logged_model_files": READ,
    "mlflow.get_registered_model": READ,
    "mlflow.search_registered_models": READ,
    "mlflow.get_latest_versions": READ,
    "mlflow.read_latest_versions": READ,
    "mlflow.get_model_version_by_alias": READ,
    "mlflow.get_model_version": READ,
    "mlflow.get_model_version_download_uri": READ,
    "mlflow.search_model_versions": READ,
    "mlflow.refuse_others": READ_OR_WORK,
    # The service
    "events.list_events": READ_OR_WORK,
    "events.stream": READ_OR_WORK,
    "events.show_health": OPEN,
    "openapi.show_document": OPEN,
    "dashboard.show_page": OPEN,
    "dashboard.show_asset": OPEN,
}


#: What the holder of a read-only link may ask, about what the link shows. Every other endpoint is refused.
SHARED: frozenset[str] = frozenset(
    {
        "signin.sign_out",
        "signin.show_me",
        "projects.list_fields",
        "runs.list_runs",
        "runs.group_runs",
        "runs.show_run",
        "runs.list_segments",
        "runs.list_test_results",
        "runs.show_provenance",
        "commands.list_commands",
        "validations.list_validations",
        "reports.show_report",
        "comparisons.compare_runs",
        "metrics.list_metrics",
        "curves.show_curve",
        "curves.show_curves",
        "logs.list_logs",
        "panels.list_panels",
        "panels.show_panel",
        "panels.diff_panels",
        "checkpoints.list_checkpoints",
        "checkpoints.list_receipts",
        "events.list_events",
        "events.stream",
    }
)
#: Where a request names runs and projects, in its path or its query: by this name, several with commas between.
_NAMES_RUNS, _NAMES_PROJECT = ("run", "of", "first", "second"), "project"


def register(app: Flask) -> None:
    """Check every request of `app` against the table; call this after adding the last route."""
    missing = sorted({rule.endpoint for rule in app.url_map.iter_rules()} - ACCESS.keys())
    if missing:
        raise KeepbestError(
            f"These routes have no row in ACCESS: {', '.join(missing)}.", hint="Add them in tracker/api/access.py."
        )
    stray = sorted(SHARED - ACCESS.keys())
    if stray:
        raise KeepbestError(f"SHARED names no route: {', '.join(stray)}.", hint="See tracker/api/access.py.")
    app.before_request(_admit)


def principal() -> Principal:
    """Return the user and credential of this request."""
    return cast(Principal, g.principal)


def forget_principals() -> None:
    """Empty the cache of principals once this request, which changes a user or credential, has been answered.

    Streams check their credential again, and end at once where it is no longer valid.
    """

    @after_this_request
    def forget(response: Response) -> Response:
        service().principals.forget()
        service().hub.wake()
        return response


def lease_token() -> str:
    """Return the request's lease token, or an empty text, which matches no run."""
    return request.headers.get(LEASE_HEADER, "")


def _admit() -> None:
    if "\0" in request.path:
        raise NotFound("No address holds a NUL character.")
    if request.endpoint is None:
        return  # no route matches: the router answers 404 or 405
    allowed = ACCESS[request.endpoint]
    if allowed is None:
        return
    g.principal = _authenticate()
    if g.principal.role not in allowed:
        raise NotAllowed(
            f"A {g.principal.role} may not do this.",
            hint=f"It needs one of: {', '.join(sorted(allowed))}.",
        )
    if g.principal.share is not None:
        _check_shared(g.principal, g.principal.share)


def _check_shared(by: Principal, share: SharedScope) -> None:
    """Raise NotAllowed unless the endpoint is one of SHARED, and what it names is shown by the link.

    A run is named by its whole id: the beginning of an id could be that of another run, too.
    """
    if request.endpoint not in SHARED:
        raise NotAllowed("A read-only link shows runs, and nothing else.", hint=_SIGN_IN)
    if any(compose(name) != share.project for name in _list_named(_NAMES_PROJECT)):
        raise NotAllowed(f"This link shows project {share.project} only.", field=_NAMES_PROJECT, hint=_SIGN_IN)
    ids = {id.strip() for name in _NAMES_RUNS for text in _list_named(name) for id in text.split(",")}
    if not ids:
        return
    with db.read(service().engine) as conn:
        if not all(shares.sees_run(conn, by, id) for id in ids):
            raise NotAllowed("This link does not show that run.", field="run", hint=_SIGN_IN)


def _list_named(name: str) -> list[str]:
    """Return what the request's path and query hold under a name."""
    in_path = (request.view_args or {}).get(name)
    return [*([] if in_path is None else [in_path]), *request.args.getlist(name)]


def _authenticate() -> Principal:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return _find(token.strip(), "token")
    if request.blueprint in BASIC and request.authorization is not None and request.authorization.password:
        return _find(request.authorization.password, "token")
    cookie = request.cookies.get(COOKIE)
    if cookie is None:
        raise NotAuthenticated(hint="Sign in with `keepbest login`, or open the link that the tracker printed.")
    if request.method not in SAFE_METHODS:
        check_origin()
    return _find(cookie, "session", "shared")


def check_origin() -> None:
    """Raise NotAllowed unless a browser's request comes from this tracker's own pages or a trusted origin."""
    origin = request.headers.get("Origin")
    trusted = {part.strip() for part in service().settings.trusted_origins.split(",")}
    is_secure = request.is_secure or service().settings.secure_cookie  # https, or behind a proxy that takes it
    own = f"{'https' if is_secure else 'http'}://{request.host}"
    if origin is not None and origin in {own, *trusted}:
        return
    if origin is None and request.headers.get("Sec-Fetch-Site") == "same-origin":
        return
    raise NotAllowed("The request comes from another site's page.", hint="Use the dashboard itself, or a token.")


def watch_credential() -> Callable[[], bool]:
    """Return a function that checks, at any later time, whether this request's credential is still valid."""
    (hashed, kind), principals, clock = g.proof, service().principals, service().clock

    def is_valid() -> bool:
        try:
            return principals.find(hashed, kind, clock()) is not None
        except KeepbestError:
            return True  # the database does not answer: keep the stream

    return is_valid


def _find(secret: str, *kinds: str) -> Principal:
    """Return the principal of the valid credential with this secret; raises NotAuthenticated where there is none."""
    hashed = users.digest(secret)
    for kind in kinds:
        g.proof = (hashed, kind)
        result = service().principals.find(hashed, kind, now())
        if result is not None:
            return result
    raise NotAuthenticated("This token is unknown, expired or revoked.", hint="Sign in again: `keepbest login`.")
