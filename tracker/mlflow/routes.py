"""The blueprint of MLflow's interface, and the decorator that makes a view of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal

from flask import Blueprint, Flask, Response
from werkzeug.exceptions import HTTPException

from keepbest.errors import KeepbestError
from keepbest.status import Role
from tracker import db
from tracker.api.access import ACCESS
from tracker.api.envelope import service
from tracker.mlflow import answers
from tracker.mlflow.fields import read_body, read_query

#: The prefixes under which the same is served: that of clients, and that of MLflow's pages.
PREFIXES = ("/api/2.0/mlflow", "/ajax-api/2.0/mlflow")
#: What MLflow's clients may ask for beside these.
OTHERS = ("/api/2.0/<path:rest>", "/ajax-api/2.0/<path:rest>", "/api/3.0/<path:rest>", "/ajax-api/3.0/<path:rest>")
#: Bytes of a request's body: what MLflow's own clients send at once.
MAX_BYTES = 10**6
Method = Literal["GET", "POST"]
View = Callable[..., Mapping[str, Any]]

blueprint = Blueprint("mlflow", __name__)
blueprint.register_error_handler(KeepbestError, answers.answer_error)
blueprint.register_error_handler(HTTPException, answers.answer_http)
blueprint.register_error_handler(Exception, answers.answer_unforeseen)


def mlflow_route(
    method: Method,
    path: str,
    *,
    reads: bool = False,
    transact: bool = True,
    lists: tuple[str, ...] = (),
    limit: int = MAX_BYTES,
) -> Callable[[View], View]:
    """Decorate a view that takes a transaction and the request's fields, and returns the answer's document.

    Args:
        method: GET takes its fields from the address, POST from the body.
        path: Behind the prefix.
        reads: The transaction writes nothing, though the method is POST.
        transact: Without it the view takes the fields alone, and opens its own transactions.
        lists: Fields of an address that may come several times.
        limit: Bytes of the body.
    """

    def wrap(view: View) -> View:
        @functools.wraps(view)
        def run() -> Response:
            most = min(limit, service().settings.max_body_bytes)
            fields = read_query(*lists) if method == "GET" else read_body(most)
            if not transact:
                return answers.answer(view(fields))
            opener = db.read if reads or method == "GET" else db.write
            with opener(service().engine) as conn:
                document = view(conn, fields)
            return answers.answer(document)

        for prefix in PREFIXES:
            blueprint.add_url_rule(f"{prefix}{path}", endpoint=view.__name__, view_func=run, methods=[method])
        return view

    return wrap


def table(app: Flask) -> str:
    """Return the routes as a table in Markdown, for docs/reference/mlflow.md."""
    prefix = PREFIXES[0]
    rules = sorted((rule for rule in app.url_map.iter_rules() if rule.rule.startswith(f"{prefix}/")), key=str)
    rows = ["| route | who | what it does |", "| --- | --- | --- |"]
    for rule in rules:
        (method,) = (rule.methods or set()) & {"GET", "POST"}
        allowed = ACCESS[rule.endpoint] or frozenset()
        who = ", ".join(role.value for role in Role if role in allowed)
        says = (app.view_functions[rule.endpoint].__doc__ or "").split("\n")[0]
        rows.append(f"| `{method} {rule.rule.removeprefix(prefix)}` | {who} | {says} |")
    return "\n".join(rows)


def refuse_others(rest: str) -> Response:
    """Answer what keepbest does not serve."""
    return answers.refuse_endpoint()


for _rule in OTHERS:
    blueprint.add_url_rule(
        _rule, endpoint="refuse_others", view_func=refuse_others, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]
    )
