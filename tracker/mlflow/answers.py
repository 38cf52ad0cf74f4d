"""Answers as MLflow's clients read them: JSON with numbers that are not finite by name, and errors with a code."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from keepbest.contract.base import new_id
from keepbest.errors import Busy, InvalidInput, KeepbestError, NotAllowed, NotAuthenticated, NotFound, TooLarge
from tracker.store.reported.experiments import NameTaken

log = logging.getLogger("tracker")

#: MLflow's code of each kind of error; what is below another kind stands before it.
CODES: tuple[tuple[type[KeepbestError], str, int], ...] = (
    (NameTaken, "RESOURCE_ALREADY_EXISTS", 400),
    (NotFound, "RESOURCE_DOES_NOT_EXIST", 404),
    (NotAuthenticated, "UNAUTHENTICATED", 401),
    (NotAllowed, "PERMISSION_DENIED", 403),
    (TooLarge, "INVALID_PARAMETER_VALUE", 413),
    (Busy, "TEMPORARILY_UNAVAILABLE", 503),
    (InvalidInput, "INVALID_PARAMETER_VALUE", 400),
)
_SERVED = "keepbest serves experiments, runs and what belongs to them (docs/reference/mlflow.md)"


def answer(document: Mapping[str, Any]) -> Response:
    """Answer with a document."""
    response = Response(orjson.dumps(document), content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def name_number(value: float) -> float | str:
    """Return a number as JSON takes it: NaN and the infinities by name."""
    if value - value == 0:
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def answer_error(error: KeepbestError) -> Response:
    """Answer with MLflow's error body; the hint follows the message."""
    code, status = next(
        ((code, status) for kind, code, status in CODES if isinstance(error, kind)), (None, error.status)
    )
    if code is None:
        code, status = ("INVALID_PARAMETER_VALUE", 400) if error.status < 500 else ("INTERNAL_ERROR", 500)
    if error.status >= 500 and error.__cause__ is not None:
        log.error("%s %s: %s", request.method, request.path, error.message, exc_info=error.__cause__)
    between = "\n" if "\n" in error.message else " "
    return refuse(code, f"{error.message}{between}{error.hint}" if error.hint else error.message, status)


def answer_http(error: HTTPException) -> Response:
    """Answer with MLflow's error body where Flask itself refused a request."""
    if isinstance(error, RequestEntityTooLarge):
        limit = request.max_content_length or 0
        return refuse("INVALID_PARAMETER_VALUE", f"A request of this kind has at most {limit:,} bytes.", 413)
    return refuse("BAD_REQUEST", error.description or "The request cannot be read.", error.code or 400)


def answer_unforeseen(error: Exception) -> Response:
    """Answer that the tracker failed; only its log says how."""
    number = new_id()
    log.error("incident %s: %s %s", number, request.method, request.path, exc_info=error)
    return refuse("INTERNAL_ERROR", f"The tracker failed; its log has the details under incident {number}.", 500)


def refuse_endpoint() -> Response:
    """Answer that keepbest serves nothing at this address, and what it serves."""
    return refuse("ENDPOINT_NOT_FOUND", f"There is nothing at {request.method} {request.path}: {_SERVED}.", 404)


def refuse(code: str, message: str, status: int) -> Response:
    """Answer with MLflow's error body."""
    response = answer({"error_code": code, "message": message})
    response.status_code = status
    return response
