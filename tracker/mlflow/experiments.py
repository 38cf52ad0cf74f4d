"""Experiments, which are keepbest's projects."""

from __future__ import annotations

from typing import Any

from keepbest.errors import NotFound
from keepbest.query import mlflow_grammar
from keepbest.query.mlflow_grammar import MAX_FILTER
from tracker import db
from tracker.api.access import principal
from tracker.api.envelope import now, service
from tracker.db import Connection
from tracker.mlflow.fields import Fields
from tracker.mlflow.routes import mlflow_route
from tracker.mlflow.shapes import Document, show_experiment
from tracker.services import gc
from tracker.store import project_deletions
from tracker.store.reported import experiment_search, experiments
from tracker.store.reported import runs as reported
from tracker.store.search.visibility import View

MAX_NAME, MAX_VALUE = 500, 20_000
MAX_PAGE = 1000
#: Tags of one request.
MAX_TAGS = 100
_VIEWS: dict[Any, View] = {
    **{None: "active", "ACTIVE_ONLY": "active", 1: "active"},
    **{"DELETED_ONLY": "deleted", 2: "deleted"},
    **{"ALL": "all", 3: "all"},
}


@mlflow_route("POST", "/experiments/create")
def create_experiment(conn: Connection, fields: Fields) -> Document:
    """Make an experiment."""
    name = fields.text("name", most=MAX_NAME)
    made = experiments.create_experiment(conn, name, read_tags(fields), user=principal().user, now=now())
    return {"experiment_id": made.id}


@mlflow_route("GET", "/experiments/get")
def get_experiment(conn: Connection, fields: Fields) -> Document:
    """Show an experiment."""
    return {"experiment": show_experiment(experiments.get_experiment(conn, fields.text("experiment_id")))}


@mlflow_route("GET", "/experiments/get-by-name")
def get_experiment_by_name(conn: Connection, fields: Fields) -> Document:
    """Show the experiment of a name."""
    name = fields.text("experiment_name")
    experiment = experiments.find_by_name(conn, name)
    if experiment is None:
        raise NotFound(f"Could not find experiment with name '{name}'.", field="experiment_name")
    return {"experiment": show_experiment(experiment)}


@mlflow_route("POST", "/experiments/update")
def update_experiment(conn: Connection, fields: Fields) -> Document:
    """Give an experiment another name."""
    id, name = fields.text("experiment_id"), fields.optional("new_name", most=MAX_NAME)
    if name:
        experiments.rename_experiment(conn, id, name, user=principal().user, now=now())
    return {}


@mlflow_route("POST", "/experiments/delete")
def delete_experiment(conn: Connection, fields: Fields) -> Document:
    """Delete an experiment with its runs; those that still report are cancelled first."""
    row = experiments.ensure_experiment(conn, fields.text("experiment_id"), user=principal().user, now=now())
    reported.cancel_running(conn, row.pk, user=principal().user, now=now())
    project_deletions.delete_project(conn, row.name, user=principal().user, now=now())
    return {}


@mlflow_route("POST", "/experiments/restore", transact=False)
def restore_experiment(fields: Fields) -> Document:
    """Bring a deleted experiment back, with the runs that were deleted with it."""
    with db.read(service().engine) as conn:
        experiment = experiments.get_experiment(conn, fields.text("experiment_id"))
    if experiment.is_deleted and experiment.project is not None:
        gc.undelete_project(service().settings, service().engine, experiment.project, user=principal().user, now=now())
    return {}


@mlflow_route("POST", "/experiments/set-experiment-tag")
def set_experiment_tag(conn: Connection, fields: Fields) -> Document:
    """Set a tag of an experiment."""
    row = experiments.ensure_experiment(conn, fields.text("experiment_id"), user=principal().user, now=now())
    experiments.set_tags(conn, row.pk, {fields.key(): fields.optional("value", most=MAX_VALUE) or ""})
    return {}


@mlflow_route("POST", "/experiments/delete-experiment-tag")
def delete_experiment_tag(conn: Connection, fields: Fields) -> Document:
    """Take a tag from an experiment."""
    row = experiments.ensure_experiment(conn, fields.text("experiment_id"), user=principal().user, now=now())
    experiments.delete_tag(conn, row.pk, fields.key())
    return {}


@mlflow_route("POST", "/experiments/search", reads=True)
def search_experiments(conn: Connection, fields: Fields) -> Document:
    """Find experiments by MLflow's filter, in the order asked for."""
    limit = fields.whole("max_results", least=1, most=50_000) or MAX_PAGE
    term = mlflow_grammar.parse_experiments(fields.optional("filter", most=MAX_FILTER) or "")
    orders = [mlflow_grammar.parse_experiment_order(text) for text in fields.texts("order_by", most=20)]
    page, token = experiment_search.search_experiments(
        conn, term, orders, view=read_view(fields, "view_type"), cursor=fields.optional("page_token") or None,
        limit=min(limit, MAX_PAGE),
    )  # fmt: skip
    shown = {"experiments": [show_experiment(experiment) for experiment in page]}
    return {**shown, "next_page_token": token} if token else shown


def read_tags(fields: Fields, *, most: int = MAX_VALUE) -> dict[str, str]:
    """Return the tags of a request by key; of one key the last counts."""
    return {tag.key(): tag.optional("value", most=most) or "" for tag in fields.items("tags", most=MAX_TAGS)}


def read_view(fields: Fields, name: str) -> View:
    """Return whether what is active is meant, what is deleted, or both."""
    given = fields.given.get(name)
    known = given is None or (isinstance(given, str | int) and given in _VIEWS)
    return _VIEWS[given] if known else fields.refuse(name, given)
