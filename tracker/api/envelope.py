"""Wraps every view: parses the request into models, opens one transaction, and encodes the answer.

    @blueprint.get("/runs/<run>/metrics")
    @route_schema(MetricList)
    def list_metrics(conn: Connection, run: str) -> MetricList: ...

`route_schema` parses the body and the query, opens the transaction (a GET reads, other methods write), and encodes
the returned model as JSON. A view that must not hold a transaction names `transact=False` and opens its own with
`transaction()`. `openapi.py` reads the schema of each view.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from flask import Response, current_app, request
from pydantic import BaseModel, ValidationError

from keepbest.contract.names import compose
from keepbest.errors import InvalidInput, Stale
from tracker import db
from tracker.api.principals import Attempts, Principals
from tracker.db import Connection, Engine
from tracker.services.event_hub import Hub
from tracker.settings import TrackerSettings

Model = TypeVar("Model", bound=BaseModel)
View = Callable[..., Any]
Clock = Callable[[], datetime]

#: Bytes of a JSON body, unless the route says otherwise.
MAX_JSON_BYTES = 2**20
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
EXTENSION = "keepbest"


@dataclass(frozen=True, slots=True)
class Service:
    """What requests need of the application; kept in `app.extensions`."""

    settings: TrackerSettings
    engine: Engine
    clock: Clock
    principals: Principals
    attempts: Attempts
    hub: Hub


@dataclass(frozen=True, slots=True)
class RouteSchema:
    """The models and media types of a view's request and answer, for the OpenAPI document."""

    reply: type[BaseModel] | None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    status: int = 200
    media: str = "application/json"
    body_media: tuple[str, ...] = ("application/json",)
    may_be_empty: bool = False


def route_schema(
    reply: type[BaseModel] | None,
    *,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    status: int = 200,
    limit: int = MAX_JSON_BYTES,
    transact: bool = True,
    media: str = "application/json",
    body_media: tuple[str, ...] = ("application/json",),
    may_be_empty: bool = False,
    is_upload: bool = False,
) -> Callable[[View], View]:
    """Decorate a view that takes `conn`, `body` and `query`, and returns a model, a Response, or None for 204.

    With another `body_media` than JSON the view reads the body itself, up to `limit` bytes; `body` then only documents.
    With `is_upload` the body is a file of up to `artifact_bytes`, which the view reads piece by piece.
    """
    parses = body is not None and body_media == ("application/json",)

    def wrap(view: View) -> View:
        @functools.wraps(view)
        def run(**arguments: Any) -> Response:
            arguments = {name: compose(value) if isinstance(value, str) else value for name, value in arguments.items()}
            request.max_content_length = _limit(limit, is_upload)
            if parses:
                arguments["body"] = parse(cast(type[BaseModel], body))
            if query is not None:
                arguments["query"] = parse_query(query)
            return _answer(view, arguments, transact, status)

        run.route_schema = RouteSchema(reply, body, query, status, media, body_media, may_be_empty)  # type: ignore[attr-defined]
        return run

    return wrap


def service() -> Service:
    """Return the application's settings, engine and clock."""
    return cast(Service, current_app.extensions[EXTENSION])


def now() -> datetime:
    """Return the present moment by the application's clock."""
    return service().clock()


def utc_now() -> datetime:
    """Return the present moment: the clock of a tracker outside of tests."""
    return datetime.now(UTC)


@contextmanager
def transaction() -> Iterator[Connection]:
    """Open the transaction that fits the method: a GET reads, other methods write."""
    opener = db.read if request.method in SAFE_METHODS else db.write
    with opener(service().engine) as conn:
        yield conn


def parse(model: type[Model]) -> Model:
    """Parse the request's JSON body as `model`; raises InvalidInput that names the field."""
    data = request.get_data(cache=False)
    if b"\\u0000" in data or b"\0" in data:
        raise InvalidInput("The body holds a NUL character, which no database keeps.")
    try:
        return model.model_validate_json(data or b"{}")
    except ValidationError as error:
        raise explain(error) from None


def parse_query(model: type[Model]) -> Model:
    """Parse the query string as `model`. A repeated name makes a list where the field is one; else the last wins."""
    lists = {name for name, field in model.model_fields.items() if "list" in str(field.annotation)}
    fields = {name: [compose(value) for value in values] for name, values in request.args.lists()}
    given = {name: values if name in lists else values[-1] for name, values in fields.items()}
    if any("\0" in value for values in request.args.listvalues() for value in values):
        raise InvalidInput("The address holds a NUL character.")
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise explain(error) from None


def reply(model: BaseModel | None, status: int = 200) -> Response:
    """Answer with a model as JSON, or 204 for None. A GET's answer has an ETag; an unchanged one is not sent again."""
    if model is None:
        return Response(status=204)
    return reply_json(model.model_dump_json().encode(), status)


def reply_json(data: bytes, status: int = 200) -> Response:
    """Answer with JSON that is already encoded."""
    response = Response(data, status, content_type="application/json")
    if request.method not in SAFE_METHODS:
        return response
    response.headers["Cache-Control"] = "private, no-cache"
    response.set_etag(_tag(data))
    response.make_conditional(request)
    return response


def check_match(present: BaseModel) -> None:
    """Raise Stale where the request's `If-Match` is not the ETag that a GET of `present` has.

    Without the header every state matches. Weak tags count too: a proxy that compresses answers weakens their tags.
    """
    if request.if_match and not request.if_match.contains_weak(_tag(present.model_dump_json().encode())):
        raise Stale(hint="GET it again, then repeat your change.")


def _tag(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def explain(error: ValidationError) -> InvalidInput:
    """Return our error for pydantic's: it names the first wrong field, and how many more there are."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    first = faults[0]
    if first["type"] == "json_invalid":
        return InvalidInput(f"The body is not JSON: {first['msg'].removeprefix('Invalid JSON: ')}.")
    field = ".".join(str(part) for part in first["loc"]) or None
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return InvalidInput(f"{field or 'The request'}: {first['msg'].removeprefix('Value error, ')}{more}.", field=field)


def _limit(limit: int, is_upload: bool) -> int:
    settings = service().settings
    return settings.artifact_bytes if is_upload else min(limit, settings.max_body_bytes)


def _answer(view: View, arguments: dict[str, Any], transact: bool, status: int) -> Response:
    if transact:
        with transaction() as conn:
            response = view(conn, **arguments)
    else:
        response = view(**arguments)
    return response if isinstance(response, Response) else reply(response, status)
