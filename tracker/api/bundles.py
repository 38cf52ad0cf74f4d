"""Bundles: a user sends code before its run, and the run's worker fetches it."""

from __future__ import annotations

from flask import Blueprint, Response, request

from keepbest.contract.bundles import MAX_BUNDLE_BYTES, Bundle
from tracker.api.access import principal
from tracker.api.envelope import now, route_schema, transaction
from tracker.db import Connection
from tracker.store import bundles

blueprint = Blueprint("bundles", __name__)

ZIP = "application/zip"


@blueprint.post("/bundles")
@route_schema(Bundle, body_media=(ZIP,), limit=MAX_BUNDLE_BYTES, status=201, transact=False)
def upload_bundle() -> Bundle:
    """Send a zip of code; it is named by its SHA-256, and the same bytes again are the same bundle."""
    checked = bundles.check(request.get_data(cache=False))
    with transaction() as conn:
        return bundles.add_bundle(conn, checked, user=principal().user, now=now())


@blueprint.get("/bundles/<digest>")
@route_schema(None, media=ZIP)
def download_bundle(conn: Connection, digest: str) -> Response:
    """Fetch a bundle by its digest."""
    response = Response(bundles.read_bundle(conn, digest), content_type=ZIP)
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    response.headers["Content-Disposition"] = f'attachment; filename="{digest[:12]}.zip"'
    return response
