"""Answers every failure with the same error body: of the store, the parser, the router, or an unforeseen one.

An unforeseen failure gets a number in the log and in the answer; the client learns nothing else of it.
"""

from __future__ import annotations

import json
import logging

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from keepbest.contract.base import new_id
from keepbest.errors import Busy, InvalidInput, KeepbestError, NotFound, TooLarge
from keepbest.renamed import PARTS

log = logging.getLogger("tracker")


def register(app: Flask) -> None:
    """Have `app` answer every failure with the error body."""
    app.register_error_handler(KeepbestError, answer)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(Exception, lambda error: answer(_unforeseen(error)))


def answer(error: KeepbestError, headers: dict[str, str] | None = None) -> Response:
    """Return the error body, with its HTTP status."""
    if error.status >= 500 and error.__cause__ is not None:
        log.error("%s %s: %s", request.method, request.path, error.message, exc_info=error.__cause__)
    response = Response(status=error.status, headers=headers, content_type="application/json")
    # ASCII, so that no name in a message can break a terminal or a log line.
    response.set_data(json.dumps(error.to_body(), ensure_ascii=True))
    response.headers["Cache-Control"] = "no-store"
    if isinstance(error, Busy):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


class MethodNotAllowed(InvalidInput):
    """This address does not take the request's method."""

    code = "method_not_allowed"
    status = 405


def _answer_http(error: HTTPException) -> Response:
    methods = getattr(error, "valid_methods", None)
    return answer(_translate(error), {"Allow": ", ".join(sorted(methods))} if methods else None)


def _translate(error: HTTPException) -> KeepbestError:
    if isinstance(error, RequestEntityTooLarge):
        limit = request.max_content_length
        return TooLarge(f"The request's body is larger than {limit:,} bytes." if limit else None)
    if error.code == 404:
        return NotFound(f"There is nothing at {request.path}.", hint=_advise(request.path))
    if error.code == 405:
        return MethodNotAllowed(f"{request.path} does not take {request.method}.")
    failure = InvalidInput(error.description)
    failure.status = error.code or 500
    return failure


def _advise(path: str) -> str:
    front, _, last = path.rpartition("/")
    if (present := PARTS.get(last)) is not None:
        return f"{last} is named {present} now: {request.method} {front}/{present}"
    return "GET /api/v1/openapi.json lists every address."


def _unforeseen(error: Exception) -> KeepbestError:
    number = new_id()
    log.error("incident %s: %s %s", number, request.method, request.path, exc_info=error)
    return KeepbestError(
        "The tracker failed in a way that nobody foresaw.",
        hint=f"The tracker's log has the details under incident {number}.",
    )
