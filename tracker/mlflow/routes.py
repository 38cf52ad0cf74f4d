"""The blueprint of MLflow's interface, and the decorator that makes a view of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal

from flask import Blueprint, Flask, Response
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from keepbest.errors import KeepbestError
from keepbest.status import Role
from tracker import db
from tracker.api.access import ACCESS
from tracker.api.envelope import service
from tracker.mlflow import answers
from tracker.mlflow.fields import read_body, read_query

#: Under these the same is served: for clients, and for MLflow's pages.
ROOTS = ("/api", "/ajax-api")
#: What MLflow's clients may ask for beside these.
OTHERS = ("/api/2.0/<path:rest>", "/ajax-api/2.0/<path:rest>", "/api/3.0/<path:rest>", "/ajax-api/3.0/<path:rest>")
#: Bytes of a request's body: what MLflow's own clients send at once.
MAX_BYTES = 10**6
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
View = Callable[..., Mapping[str, Any]]
FileView = Callable[..., Mapping[str, Any] | Response]

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
    """Decorate a view that takes a transaction, the request's fields and the names in its address.

    It returns the answer's document.

    Args:
        method: GET takes its fields from the address, any other from the body.
        path: Behind `/api/2.0/mlflow`.
        reads: The transaction writes nothing, though the method is POST.
        transact: Without it the view takes the fields alone, and opens its own transactions.
        lists: Fields of an address that may come several times.
        limit: Bytes of the body.
    """

    def wrap(view: View) -> View:
        @functools.wraps(view)
        def run(**names: str) -> Response:
            most = min(limit, service().settings.max_body_bytes)
            fields = read_query(*lists) if method == "GET" else read_body(most)
            if not transact:
                return answers.answer(view(fields, **names))
            opener = db.read if reads or method == "GET" else db.write
            with opener(service().engine) as conn:
                document = view(conn, fields, **names)
            return answers.answer(document)

        _add(method, f"/2.0/mlflow{path}", view.__name__, run)
        return view

    return wrap


def file_route(method: Method, path: str) -> Callable[[FileView], FileView]:
    """Decorate a view that takes the names in its address alone, reads the body itself, and opens its transactions.

    `path` stands behind `/api`.
    """

    def wrap(view: FileView) -> FileView:
        @functools.wraps(view)
        def run(**names: str) -> Response:
            shown = view(**names)
            return shown if isinstance(shown, Response) else answers.answer(shown)

        _add(method, path, view.__name__, run)
        return view

    return wrap


def _add(method: Method, path: str, endpoint: str, run: Callable[..., Response]) -> None:
    for root in ROOTS:
        blueprint.add_url_rule(f"{root}{path}", endpoint=endpoint, view_func=run, methods=[method])


def table(app: Flask) -> str:
    """Return the routes as a table in Markdown, for docs/reference/mlflow.md."""
    rows = ["| route | who | what it does |", "| --- | --- | --- |"]
    for rule in list_rules(app):
        (method,) = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        allowed = ACCESS[rule.endpoint] or frozenset()
        who = ", ".join(role.value for role in Role if role in allowed)
        says = (app.view_functions[rule.endpoint].__doc__ or "").split("\n")[0]
        rows.append(f"| `{method} {_shorten(rule.rule)}` | {who} | {says} |")
    return "\n".join(rows)


def list_rules(app: Flask) -> list[Rule]:
    """Return what is served under `/api`, by address."""
    own = f"{blueprint.name}."
    rules = (rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith(own))
    return sorted(
        (rule for rule in rules if rule.rule.startswith(f"{ROOTS[0]}/") and "rest" not in rule.arguments), key=str
    )


def _shorten(rule: str) -> str:
    short = rule.removeprefix("/api/2.0/mlflow")
    return (short if short.startswith("/") else rule).replace("<path:", "<")


def refuse_others(rest: str) -> Response:
    """Answer what keepbest does not serve."""
    return answers.refuse_endpoint()


for _rule in OTHERS:
    blueprint.add_url_rule(
        _rule, endpoint="refuse_others", view_func=refuse_others, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]
    )
