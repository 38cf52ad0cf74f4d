"""Runs found by MLflow's filters, in MLflow's orders."""

from __future__ import annotations

from keepbest.query import mlflow_grammar
from keepbest.query.mlflow_grammar import MAX_FILTER
from tracker.api.access import principal
from tracker.db import Connection
from tracker.mlflow.experiments import read_view
from tracker.mlflow.fields import Fields
from tracker.mlflow.routes import mlflow_route
from tracker.mlflow.shapes import Document, show_runs
from tracker.store.reported import experiments, reading
from tracker.store.search import pages, scope

MAX_EXPERIMENTS = 1000
#: Runs of one answer; a client asks for the next page by itself.
MAX_PAGE = 10_000
USUAL_PAGE = 1000


@mlflow_route("POST", "/runs/search", reads=True)
def search_runs(conn: Connection, fields: Fields) -> Document:
    """Find runs of experiments."""
    limit = fields.whole("max_results", least=1, most=50_000) or USUAL_PAGE
    term = mlflow_grammar.parse(fields.optional("filter", most=MAX_FILTER) or "")
    orders = [mlflow_grammar.parse_order(text) for text in fields.texts("order_by", most=10)]
    view, token = read_view(fields, "run_view_type"), fields.optional("page_token") or None
    ids = fields.texts("experiment_ids", most=MAX_EXPERIMENTS)
    project_pks = experiments.find_pks(conn, ids)
    if not project_pks:
        return {"runs": []}
    where = scope.open_scope_of(conn, project_pks, principal(), view)
    pks, more = pages.find_page(conn, where, term, orders, cursor=token, limit=min(limit, MAX_PAGE))
    shown: Document = {"runs": show_runs(conn, reading.read_rows(conn, pks))}
    return {**shown, "next_page_token": more} if more else shown
