"""The OpenAPI 3.1 document, made from the routes and their schemas, so that it cannot differ from them.

`python -m tracker.server openapi` prints the document; webui/openapi.json is that output, and a test compares both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from flask import Blueprint, Flask, Response, current_app
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from keepbest import __version__
from keepbest.status import Role
from tracker.api.access import ACCESS, COOKIE
from tracker.api.envelope import RouteSchema, reply_json, route_schema

blueprint = Blueprint("openapi", __name__)

_REFERENCE = "#/components/schemas/{model}"
_PLACE = re.compile(r"<(?:\w+:)?(\w+)>")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "field", "hint"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "field": {"type": ["string", "null"]},
                "hint": {"type": ["string", "null"]},
            },
        }
    },
}

Document = dict[str, Any]


@blueprint.get("/openapi.json")
@route_schema(None, transact=False)
def show_document() -> Response:
    """Return this document."""
    return reply_json(_encoded(current_app._get_current_object()))  # type: ignore[attr-defined]


def document(app: Flask) -> Document:
    """Return the OpenAPI document of every route under /api/v1."""
    paths: Document = {}
    for rule, method in routes(app):
        paths.setdefault(_path(rule), {})[method.lower()] = _operation(app, rule)
    return {
        "openapi": "3.1.0",
        "info": {"title": "keepbest", "version": __version__},
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {"schemas": _schemas(app), "securitySchemes": _SECURITY},
    }


def routes(app: Flask) -> Iterator[tuple[Rule, str]]:
    """Yield every rule of the API with each of its methods, in order of address."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if rule.rule.startswith("/api/v1/"):
            yield from ((rule, method) for method in _METHODS if method in (rule.methods or ()))


def schema_of(app: Flask, rule: Rule) -> RouteSchema:
    """Return the schema of the rule's view."""
    schema = getattr(app.view_functions[rule.endpoint], "route_schema", None)
    if not isinstance(schema, RouteSchema):
        raise TypeError(f"{rule.endpoint} has no @route_schema")
    return schema


def summary_of(app: Flask, rule: Rule) -> str:
    """Return the first line of the view's docstring."""
    return (app.view_functions[rule.endpoint].__doc__ or "").strip().split("\n")[0]


def table(app: Flask) -> str:
    """Return the routes as a table in Markdown, for docs/reference/http.md."""
    rows = []
    for rule, method in routes(app):
        allowed = ACCESS[rule.endpoint]
        who = "everybody" if allowed is None else ", ".join(role.value for role in Role if role in allowed)
        rows.append(f"| `{method} {_path(rule)}` | {who} | {summary_of(app, rule)} |")
    return "\n".join(["| route | who | what it does |", "| --- | --- | --- |", *rows])


def _path(rule: Rule) -> str:
    return _PLACE.sub(r"{\1}", rule.rule)


def _operation(app: Flask, rule: Rule) -> Document:
    schema, text = schema_of(app, rule), {"type": "string"}
    in_path = [{"name": name, "in": "path", "required": True, "schema": text} for name in _PLACE.findall(rule.rule)]
    operation: Document = {
        "operationId": rule.endpoint.replace(".", "_"),
        "summary": summary_of(app, rule),
        "parameters": [*in_path, *_query(schema.query)],
        "responses": _responses(schema),
    }
    body = _body(schema)
    if body is not None:
        operation["requestBody"] = body
    if ACCESS[rule.endpoint] is None:
        operation["security"] = []
    return operation


def _query(model: type[BaseModel] | None) -> Iterator[Document]:
    if model is None:
        return
    schema = model.model_json_schema(ref_template=_REFERENCE)
    for name, given in schema["properties"].items():
        yield {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": given}


def _body(schema: RouteSchema) -> Document | None:
    if schema.body is None and schema.body_media == ("application/json",):
        return None
    content = {media: {"schema": {"type": "string", "format": "binary"}} for media in schema.body_media}
    if schema.body is not None:
        content["application/json"] = {"schema": _reference(schema.body.__name__)}
    return {"required": True, "content": content}


def _responses(schema: RouteSchema) -> Document:
    failure = {"application/json": {"schema": _reference("Error")}}
    answers: Document = {"default": {"description": "Failure", "content": failure}}
    if schema.reply is not None:
        content = {schema.media: {"schema": _reference(schema.reply.__name__)}}
        answers[str(schema.status)] = {"description": "Success", "content": content}
    elif schema.media != "application/json":
        answers["200"] = {"description": "Success", "content": {schema.media: {}}}
    else:
        answers[str(204 if schema.status == 200 else schema.status)] = {"description": "Success"}
    if schema.may_be_empty:
        answers["204"] = {"description": "Nothing there"}
    return dict(sorted(answers.items()))


def _schemas(app: Flask) -> Document:
    base_models: set[type[BaseModel]] = set()
    for rule, _ in routes(app):
        schema = schema_of(app, rule)
        base_models.update(model for model in (schema.reply, schema.body) if model is not None)
    ordered = sorted(base_models, key=lambda model: model.__name__)
    _, made = models_json_schema([(model, "validation") for model in ordered], ref_template=_REFERENCE)
    return {**made["$defs"], "Error": _ERROR}


def _reference(model: str) -> Document:
    return {"$ref": _REFERENCE.format(model=model)}


@lru_cache(maxsize=1)
def _encoded(app: Flask) -> bytes:
    return json.dumps(document(app), indent=1, ensure_ascii=False).encode()


_SECURITY = {
    "token": {"type": "http", "scheme": "bearer"},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
}
